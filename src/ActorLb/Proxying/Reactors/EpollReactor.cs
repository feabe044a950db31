using System.Diagnostics;
using ActorLb.Native;
using ActorLb.Proxying.Limits;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Reactors;

/// <summary>A reactor that is one thread with its own epoll instance, its own listening sockets, and bare descriptors. An eventfd wakes
/// the loop for messages.</summary>
internal sealed class EpollReactor : Reactor
{
    private const int EventsAtOnce = 512;

    private const ulong WakeData = ulong.MaxValue;
    private const ulong ListenerBit = 1UL << 63;

    private readonly Epoll _epoll = new(EventsAtOnce);
    private readonly WakeUp _wake = new();
    private readonly Thread _thread;
    private uint _nextTag;
    private long _eventsAtTurn;
    private bool _stopping;
    private bool _started;

    public EpollReactor(int index, SessionFlow flow, ILogger logger)
        : base(index, flow, logger)
    {
        _epoll.Add(_wake.Fd, EpollFlags.In, WakeData);
        _thread = new Thread(Run) { IsBackground = true, Name = $"reactor-{index}" };
    }

    public void Start()
    {
        _started = true;
        _thread.Start();
    }

    /// <summary>Closes everything and ends the thread; waits for it.</summary>
    public void Stop()
    {
        if (!_started) return;
        Post(r => _stopping = true);
        _thread.Join();
    }

    public override void Dispose()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }

    /// <summary>Registers a session's descriptor for all its life: edge-triggered, both directions. 0 or an errno.</summary>
    public override int Watch(Session session, bool upstream)
    {
        ref var side = ref upstream ? ref session.Upstream : ref session.Client;
        side.Tag = unchecked(++_nextTag) & 0x7fff_ffff;
        ulong data = ((ulong)side.Tag << 32) | ((ulong)(uint)session.Slot << 1) | (upstream ? 1UL : 0UL);
        return _epoll.Add(
            side.Fd, EpollFlags.In | EpollFlags.Urgent | EpollFlags.Out | EpollFlags.PeerClosed | EpollFlags.EdgeTriggered, data);
    }

    public override int Connect(Session session, int source)
    {
        int fd = Tcp.Open(session.Destination);
        if (fd < 0) return Libc.Errno;
        if (FileDescriptors.IsReserved(fd))
        {
            Tcp.Close(fd);
            return Libc.EMFILE;
        }
        // Keep-alive and user time-out follow when the session has lasted: see SessionClock.
        if (session.Pool.Options.Tcp.NoDelay) Tcp.SetNoDelay(fd, on: true);
        // The backend never speaks first.
        Tcp.DelayAcknowledgement(fd);
        int error = source < 0 ? 0 : Tcp.BindSource(fd, session.Pool.Sources![source]);
        if (error == 0) error = Tcp.Connect(fd, session.Destination);
        if (error is 0 or Libc.EINPROGRESS)
        {
            session.Upstream = new Side { Fd = fd };
            return error;
        }
        Tcp.Close(fd);
        return error;
    }

    public override bool IsConnected(Session session) => Tcp.IsConnected(session.Upstream.Fd);

    public override int TakeError(Session session) => Tcp.TakeError(session.Upstream.Fd);

    public override void WatchPeer(Session session)
    {
        var options = session.Pool.Options.Tcp;
        int keepAlive = (int)Math.Ceiling(options.KeepAlive.TotalSeconds), userTimeout = (int)options.UserTimeout.TotalMilliseconds;
        if (keepAlive > 0) Tcp.SetKeepAlive(session.Upstream.Fd, keepAlive, counted: userTimeout == 0);
        if (userTimeout > 0) Tcp.SetUserTimeout(session.Upstream.Fd, userTimeout);
    }

    public override void Listen(ListenerSocket socket)
    {
        base.Listen(socket);
        _epoll.Add(socket.Fd, EpollFlags.In, ListenerBit | (uint)socket.Index);
    }

    public override void StopListening(ListenerSocket socket)
    {
        if (socket.Index < 0) return;
        base.StopListening(socket);
        Tcp.Close(socket.Fd);
    }

    public override void SetAccepting(ListenerSocket socket, bool accepting)
    {
        if (socket.Index < 0) return;
        _epoll.Modify(socket.Fd, accepting ? EpollFlags.In : EpollFlags.None, ListenerBit | (uint)socket.Index);
    }

    protected override void Wake() => _wake.Signal();

    private void Run()
    {
        bool resting = false;
        long stamp = Stopwatch.GetTimestamp();
        while (!_stopping)
        {
            int timeout = AnyReady || Handshaking.Any ? 0 : DelayUntilDeadline();
            if (resting) timeout = timeout < 0 ? Acceptor.Pause : Math.Min(timeout, Acceptor.Pause);
            Counters.BusyNanoseconds += (long)Stopwatch.GetElapsedTime(stamp).TotalNanoseconds;
            int count = _epoll.Wait(timeout);
            stamp = Stopwatch.GetTimestamp();
            Now = Environment.TickCount64;
            Counters.Loops++;
            Counters.Events += count;
            for (int i = 0; i < count; i++) Dispatch(_epoll.DataAt(i), _epoll.FlagsAt(i));
            RunReady();
            if (Handshaking.Any) StepHandshakes(idle: count == 0 && !AnyReady);
            Expire();
            resting = ResumeAccepting();
        }
        CloseAll();
    }

    private void Dispatch(ulong data, EpollFlags flags)
    {
        if (data == WakeData)
        {
            _wake.Clear();
            DrainInbox();
            return;
        }
        if ((data & ListenerBit) != 0)
        {
            if (ListenerAt((int)(data & 0xffff_ffff)) is { } listener) Flow.Accept(this, listener);
            return;
        }
        var session = InSlot((int)((data & 0xffff_ffff) >> 1));
        if (session is null) return;
        bool upstream = (data & 1) != 0;
        ref var side = ref upstream ? ref session.Upstream : ref session.Client;
        // The descriptor was closed earlier in this batch and its slot or number used again.
        if (side.Tag != (uint)(data >> 32) || !side.IsOpen) return;
        Note(ref side, flags);
        if (session.BulkUntil > Now) Again(session);
        else if (!session.InReadyList) Guarded(session, upstream);
    }

    /// <summary>Keeps what an event reports of a descriptor, until a call that would block disproves it.</summary>
    private static void Note(ref Side side, EpollFlags flags)
    {
        const EpollFlags failed = EpollFlags.HangUp | EpollFlags.Error;
        const EpollFlags closed = EpollFlags.PeerClosed | failed;
        if ((flags & (EpollFlags.In | closed)) != EpollFlags.None) side.Readable = true;
        if ((flags & (EpollFlags.Urgent | closed)) != EpollFlags.None) side.ReadsToBlock = true;
        if ((flags & closed) != EpollFlags.None) side.PeerClosed = true;
        if ((flags & failed) != EpollFlags.None) side.HungUp = true;
        if ((flags & (EpollFlags.Out | failed)) != EpollFlags.None) side.Writable = true;
    }

    /// <summary>Has rested listeners accept again when it is time; whether any still rests.</summary>
    private bool ResumeAccepting()
    {
        bool resting = false;
        for (int i = 0; i < ListenerCount; i++)
        {
            if (ListenerAt(i) is not { PausedUntil: not 0 } listener) continue;
            if (listener.PausedUntil > Now)
            {
                resting = true;
                continue;
            }
            listener.PausedUntil = 0;
            SetAccepting(listener, accepting: true);
        }
        return resting;
    }

    private void StepHandshakes(bool idle)
    {
        for (bool more = true; more;)
        {
            long began = Stopwatch.GetTimestamp();
            if (!Handshaking.TryNext(idle ? 0 : Counters.Events - _eventsAtTurn, began, out ulong ticket)) return;
            _eventsAtTurn = Counters.Events;
            if (Find(ticket) is { } session)
            {
                try
                {
                    Flow.StepHandshake(session);
                }
                catch (Exception e)
                {
                    GiveUp(session, e);
                }
            }
            more = Handshaking.MayGoOn(began, Stopwatch.GetTimestamp());
        }
    }
}
