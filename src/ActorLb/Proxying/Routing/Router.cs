using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Routing;

/// <summary>Chooses the backend of a session: by the pool's policy, or from the sticky map with candidates ranked by the policy. Asked
/// again after a failed try.</summary>
internal sealed class Router(NodeServices services, SessionCloser closer)
{
    /// <summary>Backends proposed to the sticky map for a client that it does not know, best first.</summary>
    private const int Proposals = 3;

    /// <summary>What a backend that is found failing gets of a client's time, should the finding be wrong (milliseconds).</summary>
    private const int GraceTry = 1_000;

    public Dialer Dialer { private get; set; } = null!;

    /// <summary>The CONNECT is complete (or the listener is plain TCP): chooses and dials.</summary>
    public void Start(Session session)
    {
        var reactor = session.Reactor;
        reactor.Counters.Requests++;
        session.Setup!.FirstTryAt = reactor.Now;
        session.Setup.ConnectStamp = Stopwatch.GetTimestamp();
        session.MoveTo(Phase.Routing);
        Choose(session);
    }

    /// <summary>A backend failed the session: goes to the next within tries and time, else refuses.</summary>
    public void TryNext(Session session, CloseReason failure)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        closer.LeaveBackend(session);
        setup.LastFailure = failure;
        session.Trace?.Step("backend_failed", CloseReasons.Text(failure));
        setup.Reply.Cut(0);
        setup.TryEnds = 0;
        if (!TryTimes.AllowAnother(session))
        {
            GiveUp(session);
            return;
        }
        reactor.Counters.Retries++;
        session.MoveTo(Phase.Routing);
        Choose(session);
    }

    /// <summary>No backend can be dialled from here at present: refuses without another try.</summary>
    public void GiveUp(Session session, CloseReason failure)
    {
        closer.LeaveBackend(session);
        if (failure is CloseReason.QueueFull or CloseReason.QueueTimeout) services.Refused.TurnedAway(session, failure);
        session.Setup!.LastFailure = failure;
        GiveUp(session);
    }

    /// <summary>It is the turn of a session that waits. Where it has none after all, it keeps its place.</summary>
    public void Resume(Session session)
    {
        if (session.IsSticky) Go(session, services.Backends.Find(session.StickyBackend), isNew: session.StickyMadeAt != 0);
        else Choose(session);
    }

    /// <summary>Something of a waiting client's has come: one that has left, and said nothing behind its CONNECT, is dropped.</summary>
    public void LookAtWaiting(Session session)
    {
        if (HasLeft(session)) closer.Close(session, CloseReason.ClientGone);
    }

    /// <summary>The sticky map's answer to a question that had to wait.</summary>
    public void Answered(Session session, in StickyAnswer answer)
    {
        session.Reactor.ClearDeadline(session);
        session.Setup!.Withdraw();
        Take(session, answer);
    }

    private void Choose(Session session)
    {
        bool sticky = session.Pool.Options.Balance == BalanceKind.Sticky && session.IsMqtt && session.ClientId!.Length > 0;
        if (sticky)
        {
            AskSticky(session);
            return;
        }
        bool paced = session.Pool.Options.ConnectsPerSecond > 0;
        // A client whose key has a backend of its own waits for that one, whether others have room or not.
        bool bound = paced && Pool.PlacingKind(session.Pool.Options) is BalanceKind.Hash or BalanceKind.IpHash;
        if (BackendChoice.Acquire(session, BackendChoice.RoomFor(session, paced), bound, out var full) is { } picked) Dial(session, picked);
        else if (full is not null) Wait(session, full);
        else if (paced && !bound && BackendChoice.HasAnother(session)) Wait(session, null);
        else GiveUp(session);
    }

    private void Dial(Session session, Backend backend)
    {
        LeaveQueue(session);
        Dialer.Dial(session, backend);
    }

    /// <summary>Has the session wait for a backend's next token, or for any backend's.</summary>
    private void Wait(Session session, Backend? backend)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        if (setup.IsQueued && setup.WaitsFor == backend) return;
        if (HasLeft(session))
        {
            closer.Close(session, CloseReason.ClientGone);
            return;
        }
        LeaveQueue(session);
        long left = (long)session.Pool.Options.ConnectQueue.Timeout.TotalMilliseconds - setup.Waited;
        if (left <= 0 || (setup.Ticket == 0 && BackendChoice.IsFull(session, backend)))
        {
            GiveUp(session, left <= 0 ? CloseReason.QueueTimeout : CloseReason.QueueFull);
            return;
        }
        reactor.Queue.Enter(session, backend, services.Reactors);
        setup.Await(backend);
        session.MoveTo(Phase.Queued);
        reactor.SetDeadline(session, reactor.Now + left);
    }

    private static void LeaveQueue(Session session)
    {
        if (!session.Setup!.IsQueued) return;
        session.Reactor.Queue.Leave(session);
        session.MoveTo(Phase.Routing);
    }

    private static bool HasLeft(Session session) =>
        session.IsMqtt && session.Client.Ended && session.Setup!.Inbound.Length == session.Setup.ConnectLength;

    private void AskSticky(Session session)
    {
        var setup = session.Setup!;
        LeaveQueue(session);
        if (setup.Questions == 0) session.StickyHash = services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId);
        Span<BackendRef> proposals = stackalloc BackendRef[Proposals];
        int count = BackendChoice.Propose(session, proposals, out var first);
        if (count == 0 && setup.TriedCount > 0)
        {
            GiveUp(session);
            return;
        }
        StickyAnswer answer;
        bool answered = setup.Questions++ == 0
            ? services.Sticky.GetOrAssign(session.StickyHash, proposals[..count], session.Reactor, session.Ticket, out answer)
            : services.Sticky.Reassign(session.StickyHash, session.StickyBackend, proposals[..count], session.Reactor, session.Ticket, out answer);
        if (answered) Take(session, answer);
        else setup.Await(first);
    }

    private void Take(Session session, in StickyAnswer answer)
    {
        var setup = session.Setup!;
        session.StickyBackend = answer.Backend;
        session.StickyOutcome = answer.Outcome;
        session.StickyMadeAt = answer.IsNew ? session.Reactor.Now : 0;
        session.IsSticky = true;
        var mapped = services.Backends.Find(answer.Backend);
        if (answer.Backend.IsNone || (answer.Outcome == StickyOutcome.Fallback && (mapped is null || setup.HasTried(mapped))))
        {
            // Nobody knows: the choice on which every node falls back alike, which the owner learns once it holds.
            mapped = BackendChoice.FallBack(session);
            if (mapped is null)
            {
                GiveUp(session);
                return;
            }
            session.StickyBackend = BackendDirectory.ReferenceOf(mapped);
            session.StickyOutcome = StickyOutcome.Fallback;
        }
        Go(session, mapped, answer.IsNew);
    }

    /// <summary>Dials the client's backend, waits for it, or moves the client.</summary>
    /// <param name="isNew">The client was placed there by this very lookup.</param>
    private void Go(Session session, Backend? mapped, bool isNew)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        var room = BackendChoice.RoomFor(session, mapped?.Pace.IsOn ?? false);
        bool may = mapped is not null && !setup.HasTried(mapped);
        if (may && room.IsAsked && !room.IsAt(mapped!) && BackendChoice.MayTake(session, mapped!))
        {
            Wait(session, mapped);
            return;
        }
        bool takes = may && (ReferenceEquals(mapped, setup.Trial)
            || (mapped!.IsEligible(reactor.Now, newClient: isNew) && mapped.TryClaim(reactor.Now)));
        bool byGrace = may && !takes && !isNew && mapped!.HasGrace(reactor.Now, BackendChoice.GraceOf(session));
        if (takes || byGrace)
        {
            switch (BackendChoice.Take(mapped!, room))
            {
                case Taken.Yes:
                    if (byGrace) setup.TryEnds = reactor.Now + GraceTry;
                    Dial(session, mapped!);
                    return;
                case Taken.NoToken:
                    // Another reactor was quicker. A trial that was claimed stays this session's.
                    if (takes && !mapped!.IsEligible(reactor.Now, newClient: isNew)) setup.Trial = mapped;
                    Wait(session, mapped);
                    return;
            }
        }
        // The mapped backend cannot take the client now, or this node's configuration does not have it (any more, or not yet): the
        // client moves. The number of questions is bounded, whatever the answers are.
        if (mapped is not null && !setup.HasTried(mapped) && setup.TriedCount < Setup.MaxTries) setup.Tried[setup.TriedCount++] = mapped;
        if (setup.TriedCount >= Setup.MaxTries || setup.Questions > Setup.MaxTries) GiveUp(session);
        else AskSticky(session);
    }

    private void GiveUp(Session session)
    {
        var reason = session.Setup!.LastFailure == CloseReason.None ? CloseReason.NoBackend : session.Setup.LastFailure;
        if (reason == CloseReason.BackendRefused && session.Setup.LastRefusal is { } refusal)
        {
            closer.Answer(session, reason, refusal);
            return;
        }
        closer.Refuse(session, reason, Refusals.For(reason));
    }
}
