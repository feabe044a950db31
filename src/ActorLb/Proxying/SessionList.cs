namespace ActorLb.Proxying;

/// <summary>A reactor's sessions of one kind in the order in which they were added. A session is in one list at most and holds the
/// links, so that adding and removing cost no allocation and no search.</summary>
internal sealed class SessionList
{
    private Session? _newest;

    public Session? Oldest { get; private set; }

    public int Count { get; private set; }

    public void Add(Session session)
    {
        session.Within?.Remove(session);
        session.Within = this;
        session.Older = _newest;
        if (_newest is null) Oldest = session;
        else _newest.Newer = session;
        _newest = session;
        Count++;
    }

    /// <summary>Adds one that waits for its turn, by its <see cref="Setup.Ticket"/>: nearly always at the end.</summary>
    public void AddByTicket(Session session)
    {
        var older = _newest;
        while (older is not null && older.Setup!.Ticket > session.Setup!.Ticket) older = older.Older;
        if (older == _newest)
        {
            Add(session);
            return;
        }
        session.Within?.Remove(session);
        session.Within = this;
        session.Older = older;
        session.Newer = older is null ? Oldest : older.Newer;
        session.Newer!.Older = session;
        if (older is null) Oldest = session;
        else older.Newer = session;
        Count++;
    }

    /// <param name="session">Of this list.</param>
    public void Remove(Session session)
    {
        if (session.Older is null) Oldest = session.Newer;
        else session.Older.Newer = session.Newer;
        if (session.Newer is null) _newest = session.Older;
        else session.Newer.Older = session.Older;
        session.Older = session.Newer = null;
        session.Within = null;
        Count--;
    }
}
