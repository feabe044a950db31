namespace ActorLb.Tls;

/// <summary>Hears of a place for a handshake that had to wait for one.</summary>
internal interface IPlaceWaiter
{
    /// <summary>
    /// The handshake of this token has a place, and must give it back with <see cref="HandshakePlaces.Release"/>. Called on any
    /// thread, under a lock: must not block, throw, or call back.
    /// </summary>
    void PlaceGranted(ulong token);
}

/// <summary>What <see cref="HandshakePlaces.Take"/> answers.</summary>
internal enum PlaceAnswer : byte
{
    /// <summary>The handshake may begin.</summary>
    Granted,

    /// <summary>The waiter will hear.</summary>
    Waits,

    /// <summary>Far too many wait.</summary>
    Refused,
}

/// <summary>
/// Bounds the handshakes of all reactors that wait for their first step, which is the expensive one: those under way go on before
/// the many that have just come, which wait in the order in which they came. A handshake has its place until the step is made. What
/// comes then is its peer's to do, which costs nothing here, and the handshake's own time ends it: however many peers keep silent,
/// they keep nobody else waiting. Any thread may call.
/// </summary>
internal sealed class HandshakePlaces(int max)
{
    /// <summary>Handshakes that may wait for each that has a place; more than that no client would wait for.</summary>
    internal const int WaitingForEach = 16;

    private readonly Lock _gate = new();
    private readonly LinkedList<(IPlaceWaiter Waiter, ulong Token)> _waiting = new();
    private readonly Dictionary<(IPlaceWaiter Waiter, ulong Token), LinkedListNode<(IPlaceWaiter Waiter, ulong Token)>> _nodes = [];
    private int _max = max;
    private int _taken;

    /// <summary>Handshakes that may have a place at once, at least 1; a reload may change it.</summary>
    internal int Max
    {
        get => Volatile.Read(ref _max);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            lock (_gate)
            {
                _max = value;
                Grant();
            }
        }
    }

    /// <summary>Handshakes that have a place.</summary>
    internal int Handshakes => Volatile.Read(ref _taken);

    /// <summary>Handshakes that wait for a place.</summary>
    internal int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Whether a handshake that begins now has to wait for a place.</summary>
    internal bool IsFull => Handshakes >= Max;

    /// <summary>A place for a handshake that is about to begin.</summary>
    internal PlaceAnswer Take(IPlaceWaiter waiter, ulong token)
    {
        lock (_gate)
        {
            if (_taken < _max)
            {
                _taken++;
                return PlaceAnswer.Granted;
            }

            if (_waiting.Count >= (long)_max * WaitingForEach)
            {
                return PlaceAnswer.Refused;
            }

            _nodes.Add((waiter, token), _waiting.AddLast((waiter, token)));
            return PlaceAnswer.Waits;
        }
    }

    /// <summary>Waits no longer. False: it has been granted a place, and hears so or has heard.</summary>
    internal bool TryTakeBack(IPlaceWaiter waiter, ulong token)
    {
        lock (_gate)
        {
            if (!_nodes.Remove((waiter, token), out var node))
            {
                return false;
            }

            _waiting.Remove(node);
            return true;
        }
    }

    /// <summary>Gives back a place: the step is made, or the handshake was given up.</summary>
    internal void Release()
    {
        lock (_gate)
        {
            _taken--;
            Grant();
        }
    }

    private void Grant()
    {
        while (_taken < _max && _waiting.First is { } first)
        {
            _taken++;
            _waiting.RemoveFirst();
            _nodes.Remove(first.Value);
            first.Value.Waiter.PlaceGranted(first.Value.Token);
        }
    }
}
