using System.Buffers;
using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying.Intake;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Routing;

/// <summary>What came of the try to take a backend.</summary>
internal enum Taken { Yes, NoToken, NoPlace }

/// <summary>Which backends a session may go to: the policy's pick, what is proposed to the sticky map, what has room.</summary>
internal static class BackendChoice
{
    /// <summary>Whether a session may go to a backend that it waits for, once that has room.</summary>
    public static bool MayTake(Session session, Backend backend)
    {
        var reactor = session.Reactor;
        bool isNew = !session.IsSticky || session.StickyMadeAt != 0;
        return ReferenceEquals(backend, session.Setup!.Trial) || backend.IsEligible(reactor.Now, isNew)
            || (!isNew && backend.HasGrace(reactor.Now, GraceOf(session)));
    }

    /// <summary>Where there is room for the session now; the default asks for none.</summary>
    public static Room RoomFor(Session session, bool paced) =>
        !paced ? default : new Room(
            Stopwatch.GetTimestamp(), session.Setup!.Ticket == 0 ? WaitingLine.Nobody : session.Setup.Ticket, session.Pool.Pool.Line.First);

    public static long GraceOf(Session session) => (long)session.Pool.Options.Health.Grace.TotalMilliseconds;

    public static bool HasAnother(Session session)
    {
        var setup = session.Setup!;
        ReadOnlySpan<Backend> tried = setup.Tried.AsSpan(0, setup.TriedCount);
        foreach (var backend in session.Pool.Pool.Snapshot.Backends)
        {
            if (backend.IsEligible(session.Reactor.Now, newClient: true) && !tried.Contains(backend)) return true;
        }
        return false;
    }

    /// <summary>The bound is by backend; for clients that wait for any, that of all that take clients.</summary>
    public static bool IsFull(Session session, Backend? backend)
    {
        var options = session.Pool.Options.ConnectQueue;
        if (backend is not null) return backend.Pace.Line.Count >= options.LengthOf(backend.Pace.Share);
        long waiting = session.Pool.Pool.Line.Count, most = 0;
        foreach (var one in session.Pool.Pool.Snapshot.Backends)
        {
            waiting += one.Pace.Line.Count;
            if (one.IsEligible(session.Reactor.Now, newClient: true)) most += options.LengthOf(one.Pace.Share);
        }
        return waiting >= most;
    }

    public static Backend? Pick(Session session, ReadOnlySpan<Backend> tried, Room room)
    {
        var pool = session.Pool.Pool;
        Span<byte> address = stackalloc byte[16];
        int length = session.Remote.WriteAddress(address);
        ulong client = KeyHash.OfAddress(address[..length]);
        while (true)
        {
            var snapshot = pool.Snapshot;
            var context = new PickContext(
                snapshot, Pool.PlacingKind(snapshot.Options) == BalanceKind.Hash ? HashOfKey(session, snapshot.Options.HashKey) : PickContext.NoKey,
                client, session.Reactor.Now, tried)
            { Room = room };
            // A reload may have removed the backends of the snapshot before it: there may be others by now.
            if (pool.Pick(context) is { } picked) return picked;
            if (ReferenceEquals(snapshot, pool.Snapshot)) return null;
        }
    }

    /// <summary>As <see cref="Pick"/>, with a token and a connection of the backend's taken. A backend that fills up in between counts as tried.</summary>
    /// <param name="bound">The session waits for the policy's choice, whether others have room or not.</param>
    /// <param name="full">That choice, where it has no room now; the answer is null then.</param>
    public static Backend? Acquire(Session session, Room room, bool bound, out Backend? full)
    {
        var setup = session.Setup!;
        full = null;
        while (true)
        {
            var picked = Pick(session, setup.Tried.AsSpan(0, setup.TriedCount), bound ? default : room);
            if (picked is null) return null;
            var taken = bound && !room.IsAt(picked) ? Taken.NoToken : Take(picked, room);
            if (taken == Taken.Yes) return picked;
            if (taken == Taken.NoToken)
            {
                full = bound ? picked : null;
                if (bound) return null;
                // Another reactor was quicker: the next pick passes over it.
                continue;
            }
            if (setup.TriedCount == Setup.MaxTries - 1) return null;
            setup.Tried[setup.TriedCount++] = picked;
        }
    }

    public static Taken Take(Backend backend, Room room)
    {
        if (!room.IsAsked) return backend.TryAcquire() ? Taken.Yes : Taken.NoPlace;
        if (!backend.Pace.TryTake(room.Now)) return Taken.NoToken;
        if (backend.TryAcquire()) return Taken.Yes;
        backend.Pace.GiveBack();
        return Taken.NoPlace;
    }

    /// <summary>The policy's choice, then others in the order on which all nodes agree, in case the first is gone when it arrives.</summary>
    public static int Propose(Session session, Span<BackendRef> into, out Backend? first)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        ReadOnlySpan<Backend> tried = setup.Tried.AsSpan(0, setup.TriedCount);
        var room = RoomFor(session, session.Pool.Options.ConnectsPerSecond > 0);
        first = (room.IsAsked ? Pick(session, tried, room) : null) ?? Pick(session, tried, default);
        if (first is null) return 0;
        // Picked, and yet not eligible any more: the pick claimed its trial.
        if (!first.IsEligible(reactor.Now, newClient: true)) setup.Trial = first;
        into[0] = BackendDirectory.ReferenceOf(first);
        int count = 1;
        var ranked = reactor.Ranking;
        int found = session.Pool.Pool.Snapshot.Rank(session.StickyHash, reactor.Now, newClient: true, ranked);
        for (int i = 0; i < found && count < into.Length; i++)
        {
            if (ranked[i] != first && !tried.Contains(ranked[i])) into[count++] = BackendDirectory.ReferenceOf(ranked[i]);
        }
        Array.Clear(ranked, 0, found);
        return count;
    }

    public static Backend? FallBack(Session session)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        var ranked = reactor.Ranking;
        int found = session.Pool.Pool.Snapshot.Rank(session.StickyHash, reactor.Now, newClient: true, ranked);
        Backend? best = null;
        for (int i = 0; i < found && best is null; i++)
        {
            if (!setup.HasTried(ranked[i])) best = ranked[i];
        }
        Array.Clear(ranked, 0, found);
        return best;
    }

    /// <returns><see cref="PickContext.NoKey"/> of a key whose variables are all empty, or all such clients would go to one backend.</returns>
    private static ulong HashOfKey(Session session, Template key)
    {
        Span<byte> value = stackalloc byte[512];
        int length = Variables.Write(key, session, value, out int empty);
        if (length == 0 || (empty > 0 && empty == key.VariableCount)) return PickContext.NoKey;
        if (length > 0) return KeyHash.Of(value[..length]);
        byte[] large = ArrayPool<byte>.Shared.Rent(Variables.MaxLength * 2);
        length = Math.Max(0, Variables.Write(key, session, large, out _));
        ulong hash = KeyHash.Of(large.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(large);
        return hash;
    }
}
