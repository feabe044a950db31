using System.Collections.Concurrent;
using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Native;
using ActorLb.Proxying.Tls;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>
/// One thread with its own epoll instance, its own listening sockets and the sessions it accepted, from accept to close. Nothing
/// here is shared but by messages: other threads <see cref="Post"/>, and an eventfd wakes the loop.
/// </summary>
internal sealed partial class Reactor : IStickyWaiter, IPlaceWaiter, IDisposable
{
    /// <summary>Room before what is read: for the held beginning of a WebSocket control frame, and a frame header before it.</summary>
    public const int Headroom = 160;

    private const int EventsAtOnce = 512;

    private const int RetainedSessions = 4096;

    /// <summary>How long sessions that have more to read may go on before the descriptors are looked at again: a quarter of a
    /// millisecond, in units of <see cref="Stopwatch"/>. However many there are, others wait no longer than that.</summary>
    private static readonly long ReadySlice = Stopwatch.Frequency / 4000;

    private const ulong WakeData = ulong.MaxValue;
    private const ulong ListenerBit = 1UL << 63;

    private readonly Epoll _epoll = new(EventsAtOnce);
    private readonly WakeUp _wake = new();
    private readonly ConcurrentQueue<Message> _inbox = new();
    private readonly TimerWheel _timers;
    private readonly Action<Timed> _expired;
    private readonly Thread _thread;
    private readonly ILogger _logger;
    private readonly Dictionary<Backend, BackendTraffic> _traffic = [];
    private readonly Stack<Session> _freeSessions = new();
    private readonly Stack<Setup> _freeSetups = new();
    private readonly Stack<int> _freeSlots = new();
    private ListenerSocket?[] _listeners = new ListenerSocket?[16];
    private readonly Queue<Session> _ready = new();
    private Session?[] _sessions = new Session?[256];
    private int _slotsUsed;
    private int _listenerCount;
    private uint _nextTag;
    private long _eventsAtTurn;
    private int _wakePending;
    private bool _stopping;
    private bool _started;

    public Reactor(int index, SessionFlow flow, ILogger logger)
    {
        Index = index;
        Flow = flow;
        _logger = logger;
        Now = Environment.TickCount64;
        _timers = new TimerWheel(Now);
        _expired = timed => Expire((Session)timed);
        Random = new Random(unchecked((index * 7919) + Environment.TickCount));
        Setups = new SetupLedger(flow.SetupBudget, session => Flow.Closer.Displace(this, session), () => Post(static r => r.Setups.Answer()));
        _epoll.Add(_wake.Fd, EpollFlags.In, WakeData);
        _thread = new Thread(Run) { IsBackground = true, Name = $"reactor-{index}" };
    }

    public int Index { get; }

    public SessionFlow Flow { get; }

    /// <summary>Milliseconds, monotonic; read once a turn of the loop.</summary>
    public long Now { get; private set; }

    public ReactorCounters Counters { get; } = new();

    public BufferPool Buffers { get; } = new();

    /// <summary>What the sessions without CONNACK hold.</summary>
    public SetupLedger Setups { get; }

    public Random Random { get; }

    /// <summary>TLS handshakes that have a step to make.</summary>
    public Handshaking Handshaking { get; } = new();

    /// <summary>Whatever one call reads, used before the next: <see cref="Headroom"/> bytes and the largest buffer-size.</summary>
    public byte[] Scratch { get; private set; } = new byte[Headroom + (64 * 1024)];

    /// <summary>Frames of the balancer's own, used within one call.</summary>
    public byte[] FrameScratch { get; set; } = new byte[1024];

    /// <summary>Answers to pings, used within one call; for as many as a read brings, where they are empty.</summary>
    public byte[] Pongs { get; } = new byte[8192];

    /// <summary>Where backends are ranked, used within one call.</summary>
    public Backend[] Ranking { get; } = new Backend[Setup.MaxTries];

    /// <summary>Refused clients that wait for their answer or are reading it: they have no place.</summary>
    public SessionList Refused { get; } = new();

    /// <summary>Sessions that hold a descriptor.</summary>
    public int SessionCount { get; private set; }

    private enum MessageKind : byte { Run, Sticky, Place }

    private readonly record struct Message(MessageKind Kind, ulong Ticket, Action<Reactor>? Action, StickyAnswer Answer);

    public void Start()
    {
        _started = true;
        _thread.Start();
    }

    /// <summary>Runs <paramref name="action"/> on the reactor's thread; from any thread.</summary>
    public void Post(Action<Reactor> action) => Enqueue(new Message(MessageKind.Run, 0, action, default));

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) =>
        Enqueue(new Message(MessageKind.Sticky, ticket, null, answer));

    void IPlaceWaiter.PlaceGranted(ulong token) => Enqueue(new Message(MessageKind.Place, token, null, default));

    /// <summary>Closes everything and ends the thread; waits for it.</summary>
    public void Stop()
    {
        if (!_started) return;
        Post(static r => r._stopping = true);
        _thread.Join();
    }

    /// <summary>Runs <paramref name="function"/> on the reactor's thread and answers with its result.</summary>
    public Task<T> AskAsync<T>(Func<Reactor, T> function)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(r =>
        {
            try
            {
                answer.SetResult(function(r));
            }
            catch (Exception e)
            {
                answer.SetException(e);
            }
        });
        return answer.Task;
    }

    public void EnsureScratch(int bufferSize)
    {
        if (Scratch.Length < bufferSize + Headroom) Scratch = new byte[bufferSize + Headroom];
    }

    public BackendTraffic TrafficOf(Backend backend)
    {
        lock (_traffic)
        {
            if (!_traffic.TryGetValue(backend, out BackendTraffic? traffic)) _traffic.Add(backend, traffic = new BackendTraffic());
            return traffic;
        }
    }

    /// <summary>A copy for a reader on another thread.</summary>
    public KeyValuePair<Backend, BackendTraffic>[] TrafficSnapshot()
    {
        lock (_traffic) return [.. _traffic];
    }

    public IEnumerable<Session> Sessions
    {
        get
        {
            for (int i = 0; i < _slotsUsed; i++)
            {
                if (_sessions[i] is { Phase: not Phase.Free } session) yield return session;
            }
        }
    }

    /// <summary>How many slots were ever used: the range of <see cref="SessionAt"/>, for a reader that comes back for more.</summary>
    public int Slots => _slotsUsed;

    /// <summary>Null where nobody is at present.</summary>
    public Session? SessionAt(int slot) => _sessions[slot] is { Phase: not Phase.Free } session ? session : null;

    /// <summary>Null when the session of this <see cref="Session.Ticket"/> has ended.</summary>
    public Session? Find(ulong ticket)
    {
        int slot = (int)(ticket & 0xffff_ffff);
        return slot < _slotsUsed && _sessions[slot] is { } session && session.Ticket == ticket ? session : null;
    }

    // ---- what the flow asks of its reactor ----

    public Session Open(int fd)
    {
        Session session = _freeSessions.Count > 0 ? _freeSessions.Pop() : new Session();
        if (!_freeSlots.TryPop(out int slot))
        {
            slot = _slotsUsed++;
            if (slot == _sessions.Length) Array.Resize(ref _sessions, _sessions.Length * 2);
        }
        session.Slot = slot;
        session.Generation++;
        session.Client.Fd = fd;
        _sessions[slot] = session;
        SessionCount++;
        return session;
    }

    /// <summary>Takes back the object of a session whose descriptors are closed and whose buffers are returned.</summary>
    public void Release(Session session)
    {
        _timers.Cancel(session);
        _sessions[session.Slot] = null;
        _freeSlots.Push(session.Slot);
        session.Generation++;
        session.Phase = Phase.Free;
        SessionCount--;
        if (_freeSessions.Count < RetainedSessions && !session.InReadyList) _freeSessions.Push(session);
    }

    public Setup RentSetup() => _freeSetups.Count > 0 ? _freeSetups.Pop() : new Setup();

    public void ReturnSetup(Setup setup)
    {
        Setups.Leave(setup);
        ReturnBuffers(setup);
        setup.Reset();
        if (_freeSetups.Count < 1024) _freeSetups.Push(setup);
    }

    /// <summary>Of a session that goes to no backend any more, or has its own by now.</summary>
    public void ReturnBuffers(Setup setup)
    {
        ReturnBuffer(ref setup.Inbound);
        ReturnBuffer(ref setup.Outbound);
        ReturnBuffer(ref setup.Reply);
        ReturnBuffer(ref setup.UpgradeHead);
        setup.InboundLength = setup.ConnectLength = setup.OutboundStart = setup.OutboundEnd = setup.ReplyLength = 0;
        setup.Upgrade = default;
    }

    public void ReturnBuffer(ref byte[]? buffer)
    {
        if (buffer is null) return;
        Buffers.Return(buffer);
        buffer = null;
    }

    /// <summary>Registers a session's descriptor for all its life: edge-triggered, both directions. 0 or an errno.</summary>
    public int Watch(Session session, bool upstream)
    {
        ref Side side = ref upstream ? ref session.Upstream : ref session.Client;
        side.Tag = unchecked(++_nextTag) & 0x7fff_ffff;
        ulong data = ((ulong)side.Tag << 32) | ((ulong)(uint)session.Slot << 1) | (upstream ? 1UL : 0UL);
        return _epoll.Add(
            side.Fd, EpollFlags.In | EpollFlags.Urgent | EpollFlags.Out | EpollFlags.PeerClosed | EpollFlags.EdgeTriggered, data);
    }

    public void SetDeadline(Session session, long deadline) => _timers.Set(session, deadline);

    public void ClearDeadline(Session session) => _timers.Cancel(session);

    /// <summary>Has the session go on after the events of this turn of the loop: it has used its share, or reads much at once, or has
    /// something to do without an event. Until then its events only set flags: who sends without end has no more turns for that.</summary>
    public void Again(Session session)
    {
        if (session.InReadyList) return;
        session.InReadyList = true;
        _ready.Enqueue(session);
    }

    public void Listen(ListenerSocket socket)
    {
        int index = Array.IndexOf(_listeners, null);
        if (index < 0)
        {
            index = _listeners.Length;
            Array.Resize(ref _listeners, index * 2);
        }
        _listeners[index] = socket;
        socket.Index = index;
        _listenerCount = Math.Max(_listenerCount, index + 1);
        _epoll.Add(socket.Fd, EpollFlags.In, ListenerBit | (uint)index);
    }

    public void StopListening(ListenerSocket socket)
    {
        if (socket.Index < 0) return;
        _listeners[socket.Index] = null;
        socket.Index = -1;
        Tcp.Close(socket.Fd);
        _listenerCount = Array.FindLastIndex(_listeners, l => l is not null) + 1;
    }

    /// <summary>Stops or goes on taking connections while the socket stays open: the kernel's queue holds them meanwhile.</summary>
    public void SetAccepting(ListenerSocket socket, bool accepting)
    {
        if (socket.Index < 0) return;
        _epoll.Modify(socket.Fd, accepting ? EpollFlags.In : EpollFlags.None, ListenerBit | (uint)socket.Index);
    }

    /// <summary>Of the clients of all listeners that have not sent their whole CONNECT, the one that came first.</summary>
    public Session? LongestUnconnected()
    {
        Session? longest = null;
        for (int i = 0; i < _listenerCount; i++)
        {
            if (_listeners[i]?.Unconnected.Oldest is { } oldest && !(oldest.AcceptedAt >= longest?.AcceptedAt)) longest = oldest;
        }
        return longest;
    }

    public IEnumerable<ListenerSocket> Listeners => _listeners.Where(l => l is not null)!;

    public void Dispose()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }

    private void Enqueue(in Message message)
    {
        _inbox.Enqueue(message);
        if (Interlocked.Exchange(ref _wakePending, 1) == 0) _wake.Signal();
    }

    private void Run()
    {
        bool resting = false;
        long stamp = Stopwatch.GetTimestamp();
        while (!_stopping)
        {
            int timeout = _ready.Count > 0 || Handshaking.Any ? 0 : _timers.DelayUntilNext(Environment.TickCount64);
            if (resting) timeout = timeout < 0 ? Acceptor.Pause : Math.Min(timeout, Acceptor.Pause);
            Counters.BusyNanoseconds += (long)Stopwatch.GetElapsedTime(stamp).TotalNanoseconds;
            int count = _epoll.Wait(timeout);
            stamp = Stopwatch.GetTimestamp();
            Now = Environment.TickCount64;
            Counters.Loops++;
            Counters.Events += count;
            for (int i = 0; i < count; i++) Dispatch(_epoll.DataAt(i), _epoll.FlagsAt(i));
            RunReady();
            if (Handshaking.Any) StepHandshakes(idle: count == 0 && _ready.Count == 0);
            _timers.Advance(Now, _expired);
            resting = ResumeAccepting();
        }
        foreach (Session session in Sessions.ToArray()) Flow.Close(this, session, CloseReason.Drained);
        foreach (ListenerSocket? listener in _listeners)
        {
            if (listener is not null) StopListening(listener);
        }
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
            if (_listeners[(int)(data & 0xffff_ffff)] is { } listener) Flow.Accept(this, listener);
            return;
        }
        Session? session = _sessions[(int)((data & 0xffff_ffff) >> 1)];
        if (session is null) return;
        bool upstream = (data & 1) != 0;
        ref Side side = ref upstream ? ref session.Upstream : ref session.Client;
        // The descriptor was closed earlier in this batch and its slot or number used again.
        if (side.Tag != (uint)(data >> 32) || !side.IsOpen) return;
        Note(ref side, flags);
        if (session.BulkUntil > Now) Again(session);
        else if (!session.InReadyList) Guarded(session, upstream);
    }

    /// <summary>What an event tells of a descriptor, until calls that would block tell otherwise.</summary>
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
        for (int i = 0; i < _listenerCount; i++)
        {
            if (_listeners[i] is not { PausedUntil: not 0 } listener) continue;
            if (listener.PausedUntil > Now)
            {
                resting = true;
                continue;
            }
            listener.PausedUntil = 0;
            if (!listener.Listener.Paused) SetAccepting(listener, accepting: true);
        }
        return resting;
    }

    private void Guarded(Session session, bool upstream)
    {
        try
        {
            Flow.Advance(this, session, upstream);
        }
        catch (Exception e)
        {
            GiveUp(session, e);
        }
    }

    private void Expire(Session session)
    {
        try
        {
            Flow.Expired(this, session);
        }
        catch (Exception e)
        {
            GiveUp(session, e);
        }
    }

    private void GiveUp(Session session, Exception e)
    {
        Log.SessionFailed(_logger, e, session.Phase, session.Remote);
        if (session.Phase != Phase.Free) Flow.Close(this, session, CloseReason.Internal);
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
                    Flow.StepHandshake(this, session);
                }
                catch (Exception e)
                {
                    GiveUp(session, e);
                }
            }
            more = Handshaking.MayGoOn(began, Stopwatch.GetTimestamp());
        }
    }

    private void RunReady()
    {
        if (_ready.Count == 0) return;
        long until = Stopwatch.GetTimestamp() + ReadySlice;
        do
        {
            Session session = _ready.Dequeue();
            session.InReadyList = false;
            if (session.Phase != Phase.Free) Guarded(session, upstream: false);
        }
        while (_ready.Count > 0 && Stopwatch.GetTimestamp() < until);
    }

    private void DrainInbox()
    {
        // Cleared before reading, and with a full fence: were the reads to overtake the write, a sender could find the flag still set
        // after the last read, not signal, and its message would lie until the next event.
        Interlocked.Exchange(ref _wakePending, 0);
        while (_inbox.TryDequeue(out Message message))
        {
            Session? about = message.Kind == MessageKind.Run ? null : Find(message.Ticket);
            try
            {
                switch (message.Kind)
                {
                    case MessageKind.Run:
                        message.Action!(this);
                        break;
                    case MessageKind.Sticky:
                        if (about is { Phase: Phase.Routing }) Flow.StickyAnswered(this, about, message.Answer);
                        break;
                    case MessageKind.Place:
                        Flow.PlaceGranted(this, about);
                        break;
                }
            }
            catch (Exception e)
            {
                if (about is not null) GiveUp(about, e);
                else Log.MessageFailed(_logger, e, message.Kind);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1001, LogLevel.Error, "session of {Remote} failed in phase {Phase}; it is closed")]
        public static partial void SessionFailed(ILogger logger, Exception e, Phase phase, NetEndPoint remote);

        [LoggerMessage(1002, LogLevel.Error, "a {Kind} message failed on its reactor")]
        public static partial void MessageFailed(ILogger logger, Exception e, MessageKind kind);
    }
}
