using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Dialing;

/// <summary>Opens the connection to a chosen backend, from a source address of the pool's where it has any.</summary>
internal sealed partial class Dialer(NodeServices services, Router router, BackendGreeting greeting)
{
    /// <param name="backend">Acquired for the session: <see cref="SessionCloser.LeaveBackend"/> releases it.</param>
    public void Dial(Session session, Backend backend)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        setup.Tried[setup.TriedCount++] = backend;
        session.Backend = backend;
        session.Dialled = backend;
        session.Trace?.Dial(session.Pool.Name, backend.Id);
        session.Traffic = reactor.TrafficOf(backend);
        session.Traffic.Connects++;
        setup.DialStamp = Stopwatch.GetTimestamp();
        if (backend.NextEndPoint() is not { } endPoint)
        {
            Fail(session, Libc.EHOSTUNREACH);
            return;
        }
        session.Destination = NetEndPoint.From(endPoint);
        int error = Connect(session);
        if (error is 0 or Libc.EINPROGRESS)
        {
            int watched = reactor.Watch(session, upstream: true);
            // On the same machine the handshake is done by now, and the call that began it did not know yet.
            if (watched != 0) error = watched;
            else if (error != 0 && reactor.IsConnected(session)) error = 0;
        }
        switch (error)
        {
            case 0:
                Connected(session);
                break;
            case Libc.EINPROGRESS:
                session.MoveTo(Phase.Dialing);
                setup.BackendTime = TryTimes.OfDial(session);
                reactor.SetDeadline(session, reactor.Now + setup.BackendTime);
                break;
            case var own when LocalFault.Is(own):
                FailHere(session, own);
                break;
            default:
                Fail(session, error);
                break;
        }
    }

    /// <summary>The connection that is being made had an event.</summary>
    public void Advance(Session session)
    {
        int error = session.Upstream.HungUp ? session.Reactor.TakeError(session) : 0;
        if (error != 0 && (LocalFault.IsShortage(error) || LocalFault.IsOfAddress(error))) FailHere(session, error);
        else if (error != 0) Fail(session, error);
        else if (session.Upstream.Writable) Connected(session);
    }

    private void Connected(Session session)
    {
        session.Traffic.DialTime.Record(Stopwatch.GetElapsedTime(session.Setup!.DialStamp).TotalSeconds);
        session.Upstream.Writable = true;
        greeting.Start(session);
    }

    private void Fail(Session session, int errno)
    {
        string reason = Libc.ErrorText(errno), backend = session.Backend!.Id;
        Blame.Now(session, reason);
        if (services.LogLimit.Admits(LogLevel.Warning, "backend", backend, reason)) Log.ConnectFailed(services.Logger, backend, session.Pool.Name, reason);
        router.TryNext(session, CloseReason.BackendsFailed);
    }

    /// <summary>This node's fault, not the backend's: it is not blamed. Where no backend could be dialled now, no other is tried: a client
    /// must not be moved from the one that has its session for that.</summary>
    private void FailHere(Session session, int errno)
    {
        var reactor = session.Reactor;
        bool ports = LocalFault.IsOfAddress(errno);
        if (ports) reactor.Counters.SourceExhausted++;
        else reactor.Counters.DialShortages++;
        string reason = Libc.ErrorText(errno), backend = session.Backend!.Id, pool = session.Pool.Name;
        // Ports run out by destination, all else for all of them.
        if (services.LogLimit.Admits(LogLevel.Error, "pool", pool, ports ? $"cannot dial {backend}: {reason}" : $"cannot dial: {reason}"))
        {
            if (ports && session.Pool.Sources is { } sources) Log.SourcesExhausted(services.Logger, backend, pool, sources.Count, sources.PortsPerPair, reason);
            else Log.LocalShortage(services.Logger, backend, pool, reason);
        }
        if (LocalFault.IsShortage(errno)) router.GiveUp(session, CloseReason.LocalShortage);
        else router.TryNext(session, ports ? CloseReason.SourceExhausted : CloseReason.LocalShortage);
    }

    /// <summary>0, EINPROGRESS or another errno; passes over sources that have no port left for the destination.</summary>
    private int Connect(Session session)
    {
        var reactor = session.Reactor;
        var sources = session.Pool.Sources;
        if (sources is null) return reactor.Connect(session, -1);
        int source = sources.Choose(session.Remote, session.Destination);
        if (source < 0) return Libc.EADDRNOTAVAIL;
        for (int tries = 0; tries < sources.Count; tries++)
        {
            int held = sources.Enter(source, session.Destination);
            if (held <= sources.PortsPerPair)
            {
                int error = reactor.Connect(session, source);
                if (error is 0 or Libc.EINPROGRESS)
                {
                    session.Source = source;
                    session.SourcePool = sources;
                    if (sources.IsNearlyFull(held)) reactor.Counters.SourceWarnings++;
                    return error;
                }
                if (!LocalFault.IsOfAddress(error))
                {
                    sources.Leave(source, session.Destination);
                    return error;
                }
            }
            sources.Leave(source, session.Destination);
            source = sources.Next(source, session.Destination);
        }
        return Libc.EADDRNOTAVAIL;
    }

    private static partial class Log
    {
        [LoggerMessage(1301, LogLevel.Warning, "backend {Backend} of pool {Pool}: connect failed: {Reason}")]
        public static partial void ConnectFailed(ILogger logger, string backend, string pool, string reason);

        [LoggerMessage(1303, LogLevel.Error, "cannot dial {Backend} of pool {Pool}: none of its {Sources} source-addresses has a free port of its {Ports} ({Reason}): add source-addresses or raise the limit of open files")]
        public static partial void SourcesExhausted(ILogger logger, string backend, string pool, int sources, int ports, string reason);

        [LoggerMessage(1302, LogLevel.Error, "cannot dial {Backend} of pool {Pool}: {Reason}; this node is short of it (add source-addresses or raise the limit of open files), so it does not count against the backend")]
        public static partial void LocalShortage(ILogger logger, string backend, string pool, string reason);
    }
}
