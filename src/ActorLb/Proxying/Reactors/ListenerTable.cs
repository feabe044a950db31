namespace ActorLb.Proxying.Reactors;

/// <summary>The listening sockets of a reactor, each at an index that it keeps.</summary>
internal sealed class ListenerTable
{
    private ListenerSocket?[] _sockets = new ListenerSocket?[16];

    /// <summary>One more than the highest index in use.</summary>
    public int Count { get; private set; }

    public IEnumerable<ListenerSocket> All => _sockets.Where(l => l is not null)!;

    public ListenerSocket? At(int index) => _sockets[index];

    public void Add(ListenerSocket socket)
    {
        int index = Array.IndexOf(_sockets, null);
        if (index < 0)
        {
            index = _sockets.Length;
            Array.Resize(ref _sockets, index * 2);
        }
        _sockets[index] = socket;
        socket.Index = index;
        Count = Math.Max(Count, index + 1);
    }

    public void Remove(ListenerSocket socket)
    {
        if (socket.Index < 0) return;
        _sockets[socket.Index] = null;
        socket.Index = -1;
        Count = Array.FindLastIndex(_sockets, l => l is not null) + 1;
    }

    /// <summary>Of the clients of all listeners that have not sent their whole CONNECT, the one that came first.</summary>
    public Session? LongestUnconnected()
    {
        Session? longest = null;
        for (int i = 0; i < Count; i++)
        {
            if (_sockets[i]?.Unconnected.Oldest is { } oldest && !(oldest.AcceptedAt >= longest?.AcceptedAt)) longest = oldest;
        }
        return longest;
    }
}
