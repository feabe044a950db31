using System.Diagnostics;
using ActorLb.Native;
using ActorLb.Proxying.Intake;
using ActorLb.Proxying.Reactors;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Limits;

/// <summary>Takes connections from listening sockets and decides who may come in, before any work is done for them.</summary>
internal sealed partial class Acceptor(NodeServices services, SessionCloser closer, ClientIntake intake)
{
    /// <summary>How long a listener rests when the system has no descriptor or memory left (milliseconds).</summary>
    public const int Pause = 250;

    private const int AcceptsAtOnce = 64;

    /// <returns>Whether more may wait.</returns>
    public bool Accept(Reactor reactor, ListenerSocket socket)
    {
        for (int i = 0; i < AcceptsAtOnce; i++)
        {
            int fd = Tcp.Accept(socket.Fd, out var remote);
            if (fd < 0)
            {
                int errno = Libc.Errno;
                if (errno is Libc.EAGAIN) return false;
                if (errno is Libc.EINTR or Libc.ECONNABORTED) continue;
                Rest(reactor, socket, errno);
                return false;
            }
            reactor.Counters.Accepted++;
            if (FileDescriptors.IsReserved(fd))
            {
                // The admission's limit should have come first; something else in the process holds many.
                Tcp.Close(fd);
                reactor.Counters.Closed[(int)CloseReason.NodeFull]++;
                socket.Listener.CountRefusal(CloseReason.NodeFull);
                Rest(reactor, socket, Libc.EMFILE);
                return false;
            }
            Admit(reactor, socket, new Side { Fd = fd, Writable = true }, remote);
        }
        return true;
    }

    /// <summary>Takes a connection in, or turns it away.</summary>
    public void Admit(Reactor reactor, ListenerSocket socket, in Side client, in NetEndPoint remote, in NetEndPoint local = default)
    {
        var listener = socket.Listener;
        var state = listener.Current;
        var session = reactor.Open();
        session.Client = client;
        session.Listener = listener;
        session.ListenerState = state;
        session.Pool = state.Pool;
        session.Remote = remote;
        session.AcceptedAt = session.LastFromClient = session.LastActivity = reactor.Now;
        session.Local = local;
        session.Setup = reactor.RentSetup();
        bool proxied = state.Options.AcceptProxyFrom.Length > 0 && state.ExpectsProxyHeaderFrom(remote);
        session.MoveTo(Phase.ProxyHeader);
        if (services.Traces is { } traces) session.Trace = traces.Begin(listener.Name, state.Pool.Name, "accept");
        // A client whose address is refused must not drive out others: the address is judged first, unless a PROXY header will name it.
        var refusal = proxied ? CloseReason.None : services.Places.Judge(session);
        if (refusal == CloseReason.None) refusal = TakePlace(reactor, socket, session);
        if (refusal == CloseReason.None) socket.Unconnected.Add(session);
        else if (!closer.TurnAway(session, refusal)) return;
        int error = reactor.Watch(session, upstream: false);
        if (error != 0)
        {
            string reason = Libc.ErrorText(error);
            if (services.LogLimit.Admits(LogLevel.Error, "listener", listener.Name, $"cannot watch a connection: {reason}"))
                Log.CannotWatch(services.Logger, remote, reason);
            closer.Close(session, CloseReason.Internal);
            return;
        }
        reactor.SetDeadline(session, reactor.Now + (long)state.Options.ConnectTimeout.TotalMilliseconds);
        if (!proxied) intake.Begin(session);
        reactor.Setups.Settle(session);
    }

    /// <summary>Where the node or the listener is full, a client that keeps its CONNECT back makes room.</summary>
    private CloseReason TakePlace(Reactor reactor, ListenerSocket socket, Session session)
    {
        var full = services.Places.Take(session);
        // Once for the node and once for the listener.
        for (int i = 0; i < 2 && ClientPlaces.WhoGivesWay(reactor, socket, full) is { } silent; i++)
        {
            services.Refused.Displaced(silent, full, reactor.Now - silent.AcceptedAt);
            closer.Close(silent, CloseReason.Displaced);
            full = services.Places.Take(session);
        }
        return full;
    }

    /// <summary>The listener rests for a <see cref="Pause"/>.</summary>
    public void Rest(Reactor reactor, ListenerSocket socket, int errno)
    {
        reactor.Counters.AcceptFailures++;
        reactor.SetAccepting(socket, accepting: false);
        socket.PausedUntil = reactor.Now + Pause;
        string listener = socket.Listener.Name, reason = Libc.ErrorText(errno);
        if (services.LogLimit.Admits(LogLevel.Error, "listener", listener, $"cannot accept: {reason}"))
            Log.CannotAccept(services.Logger, listener, reason, services.Admission.Active);
    }

    private static partial class Log
    {
        [LoggerMessage(1101, LogLevel.Error, "listener {Listener} cannot accept: {Reason}; {Active} connections are open, new ones wait in the kernel's queue")]
        public static partial void CannotAccept(ILogger logger, string listener, string reason, int active);

        [LoggerMessage(1102, LogLevel.Error, "cannot watch the connection of {Remote}: {Reason}")]
        public static partial void CannotWatch(ILogger logger, NetEndPoint remote, string reason);
    }
}
