using System.Diagnostics;
using ActorLb.Native;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>Takes connections from listening sockets and decides who may come in, before any work is done for them.</summary>
internal sealed partial class Acceptor(NodeServices services, SessionCloser closer, ClientIntake intake)
{
    /// <summary>How long a listener rests when the system has no descriptor or memory left (milliseconds).</summary>
    public const int Pause = 250;

    private const int AcceptsAtOnce = 64;

    private readonly LogPace _warnings = new();
    private readonly LogPace _unwatched = new();

    public void Accept(Reactor reactor, ListenerSocket socket)
    {
        for (int i = 0; i < AcceptsAtOnce; i++)
        {
            int fd = Tcp.Accept(socket.Fd, out NetEndPoint remote);
            if (fd < 0)
            {
                int errno = Libc.Errno;
                if (errno is Libc.EAGAIN) return;
                if (errno is Libc.EINTR or Libc.ECONNABORTED) continue;
                Rest(reactor, socket, errno);
                return;
            }
            reactor.Counters.Accepted++;
            if (FileDescriptors.IsReserved(fd))
            {
                // The admission's limit should have come first; something else in the process holds many.
                Tcp.Close(fd);
                reactor.Counters.Closed[(int)CloseReason.NodeFull]++;
                Rest(reactor, socket, Libc.EMFILE);
                return;
            }
            Admit(reactor, socket.Listener, fd, remote);
        }
    }

    private void Admit(Reactor reactor, Listener listener, int fd, in NetEndPoint remote)
    {
        CloseReason? room = services.Admission.Enter();
        if (room is not { } refusal)
        {
            reactor.Counters.Closed[(int)CloseReason.NodeFull]++;
            Tcp.Close(fd);
            return;
        }
        Listener.State state = listener.Current;
        bool fits = listener.TryEnter(state.Options.MaxConnections);
        if (refusal == CloseReason.None && !fits) refusal = CloseReason.ListenerFull;
        Session session = reactor.Open(fd);
        session.Listener = listener;
        session.Entered = state;
        session.Pool = state.Pool;
        session.Remote = remote;
        session.AcceptedAt = session.LastFromClient = session.LastActivity = reactor.Now;
        session.Client.Writable = true;
        Setup setup = session.Setup = reactor.RentSetup();
        setup.Refusal = refusal;
        bool proxied = state.Options.AcceptProxyFrom.Length > 0 && state.ExpectsProxyHeaderFrom(remote);
        SessionCloser.Enter(reactor, session, proxied ? Phase.ProxyHeader : Phase.Connect);
        int error = reactor.Watch(session, upstream: false);
        if (error != 0)
        {
            if (_unwatched.TryTake(reactor.Now, out _)) Log.CannotWatch(services.Logger, remote, Libc.ErrorText(error));
            closer.Close(reactor, session, CloseReason.Internal);
            return;
        }
        reactor.SetDeadline(session, reactor.Now + (long)state.Options.ConnectTimeout.TotalMilliseconds);
        if (!proxied) intake.AddressKnown(reactor, session);
        reactor.Setups.Settle(session);
    }

    private void Rest(Reactor reactor, ListenerSocket socket, int errno)
    {
        reactor.Counters.AcceptFailures++;
        reactor.SetAccepting(socket, accepting: false);
        socket.PausedUntil = reactor.Now + Pause;
        if (!_warnings.TryTake(reactor.Now, out _)) return;
        Log.CannotAccept(services.Logger, socket.Listener.Name, Libc.ErrorText(errno), services.Admission.Active);
    }

    private static partial class Log
    {
        [LoggerMessage(1101, LogLevel.Error, "listener {Listener} cannot accept: {Reason}; {Active} connections are open, new ones wait in the kernel's queue")]
        public static partial void CannotAccept(ILogger logger, string listener, string reason, int active);

        [LoggerMessage(1102, LogLevel.Error, "cannot watch the connection of {Remote}: {Reason}")]
        public static partial void CannotWatch(ILogger logger, NetEndPoint remote, string reason);
    }
}
