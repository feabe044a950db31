namespace ActorLb.Proxying.Reactors;

/// <summary>A reactor's sessions by slot, and the objects of ended ones, which later clients use again.</summary>
internal sealed class SessionTable(Reactor reactor)
{
    private const int Retained = 4096;

    private readonly Stack<Session> _free = new();
    private readonly Stack<int> _freeSlots = new();
    private Session?[] _slots = new Session?[256];

    /// <summary>How many slots were ever used.</summary>
    public int SlotsUsed { get; private set; }

    public int Count { get; private set; }

    public IEnumerable<Session> All
    {
        get
        {
            for (int i = 0; i < SlotsUsed; i++)
            {
                if (_slots[i] is { Phase: not Phase.Free } session) yield return session;
            }
        }
    }

    public Session? At(int slot) => _slots[slot];

    /// <summary>Null when the session of this <see cref="Session.Ticket"/> has ended.</summary>
    public Session? Find(ulong ticket)
    {
        int slot = (int)(ticket & 0xffff_ffff);
        return slot < SlotsUsed && _slots[slot] is { } session && session.Ticket == ticket ? session : null;
    }

    public Session Open()
    {
        var session = _free.Count > 0 ? _free.Pop() : new Session(reactor);
        if (!_freeSlots.TryPop(out int slot))
        {
            slot = SlotsUsed++;
            if (slot == _slots.Length) Array.Resize(ref _slots, _slots.Length * 2);
        }
        session.Slot = slot;
        session.Generation++;
        _slots[slot] = session;
        Count++;
        return session;
    }

    public void Release(Session session)
    {
        _slots[session.Slot] = null;
        _freeSlots.Push(session.Slot);
        session.Generation++;
        session.MoveTo(Phase.Free);
        Count--;
        // The ready list still refers to it.
        if (_free.Count < Retained && !session.InReadyList) _free.Push(session);
    }
}
