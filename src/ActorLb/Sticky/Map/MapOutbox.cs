namespace ActorLb.Sticky.Map;

/// <summary>Collects messages about copies until the end of the turn, to send one message to each member.</summary>
internal sealed class MapOutbox(IMapTransport transport)
{
    private readonly Lock _gate = new();
    private readonly Lock _sending = new();
    private Dictionary<MemberId, List<MapMessage>> _waiting = [];
    private int _count;

    public bool Any => Volatile.Read(ref _count) > 0;

    public void Post(MemberId to, MapMessage message)
    {
        lock (_gate)
        {
            if (!_waiting.TryGetValue(to, out var list))
            {
                _waiting[to] = list = [];
            }

            list.Add(message);
            _count++;
        }
    }

    /// <summary>One thread at a time, so that messages leave in the order they were posted.</summary>
    public void Flush()
    {
        if (!Any)
        {
            return;
        }

        lock (_sending)
        {
            Dictionary<MemberId, List<MapMessage>> taken;
            lock (_gate)
            {
                taken = _waiting;
                _waiting = [];
                _count = 0;
            }

            foreach (var (to, messages) in taken)
            {
                Send(to, messages);
            }
        }
    }

    private void Send(MemberId to, List<MapMessage> messages)
    {
        for (int from = 0; from < messages.Count;)
        {
            int bytes = messages[from].Size;
            int end = from + 1;
            while (end < messages.Count && bytes + messages[end].Size <= MapLimits.MaxBytes)
            {
                bytes += messages[end++].Size;
            }

            transport.Send(to, end == from + 1 ? messages[from] : new MapMessages([.. messages[from..end]]));
            from = end;
        }
    }
}
