using System.Collections.Concurrent;
using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Native;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Reactors;

/// <summary>
/// What runs the sessions that it accepted, from accept to close, one step at a time: their table, timers and buffers. Nothing here is
/// shared but by messages: other threads <see cref="Post"/>. What the sockets are, and what has the steps run, a data plane's own
/// reactor says: <see cref="EpollReactor"/>, or that of the folder Streams.
/// </summary>
internal abstract partial class Reactor : IStickyWaiter, IPlaceWaiter, IDisposable
{
    /// <summary>Room before what is read: for the held beginning of a WebSocket control frame, and a frame header before it.</summary>
    public const int Headroom = 160;

    private const int RetainedSetups = 1024;

    /// <summary>How long sessions that have more to read may go on before the descriptors are looked at again: a quarter of a
    /// millisecond, in units of <see cref="Stopwatch"/>. However many there are, others wait no longer than that.</summary>
    private static readonly long ReadySlice = Stopwatch.Frequency / 4000;

    private readonly ConcurrentQueue<Message> _inbox = new();
    private readonly TimerWheel _timers;
    private readonly Action<Timed> _expired;
    private readonly ILogger _logger;
    private readonly Dictionary<Backend, BackendTraffic> _traffic = [];
    private readonly SessionTable _sessions;
    private readonly Stack<Setup> _freeSetups = new();
    private readonly ListenerTable _listeners = new();
    private readonly Queue<Session> _ready = new();
    private int _wakePending;

    protected Reactor(int index, SessionFlow flow, ILogger logger)
    {
        Index = index;
        Flow = flow;
        _logger = logger;
        Now = Environment.TickCount64;
        _timers = new TimerWheel(Now);
        _sessions = new SessionTable(this);
        _expired = timed => Expire((Session)timed);
        Random = new Random(unchecked((index * 7919) + Environment.TickCount));
        Queue = new ConnectQueue(this);
        Setups = new SetupLedger(flow.SetupBudget, session => Flow.Closer.Displace(session), () => Post(static r => r.Setups.Answer()));
    }

    public int Index { get; }

    public SessionFlow Flow { get; }

    /// <summary>Milliseconds, monotonic; read once a turn of the loop.</summary>
    public long Now { get; protected set; }

    public ReactorCounters Counters { get; } = new();

    public BufferPool Buffers { get; } = new();

    /// <summary>What the sessions without CONNACK hold.</summary>
    public SetupLedger Setups { get; }

    /// <summary>Sessions that wait until a backend may have another CONNECT.</summary>
    public ConnectQueue Queue { get; }

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

    /// <summary>Which clients connect most often here.</summary>
    public FrequentClients Frequent { get; } = new();

    /// <summary>Refused clients that wait for their answer or are reading it: they have no place.</summary>
    public SessionList Refused { get; } = new();

    /// <summary>Sessions that hold a descriptor.</summary>
    public int SessionCount => _sessions.Count;

    private enum MessageKind : byte { Run, Sticky, Place }

    private readonly record struct Message(MessageKind Kind, ulong Ticket, Action<Reactor>? Action, StickyAnswer Answer);

    /// <summary>Runs <paramref name="action"/> on the reactor's thread; from any thread.</summary>
    public void Post(Action<Reactor> action) => Enqueue(new Message(MessageKind.Run, 0, action, default));

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) =>
        Enqueue(new Message(MessageKind.Sticky, ticket, null, answer));

    void IPlaceWaiter.PlaceGranted(ulong token) => Enqueue(new Message(MessageKind.Place, token, null, default));

    public abstract void Dispose();

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
            if (!_traffic.TryGetValue(backend, out var traffic)) _traffic.Add(backend, traffic = new BackendTraffic());
            return traffic;
        }
    }

    /// <summary>A copy for a reader on another thread.</summary>
    public KeyValuePair<Backend, BackendTraffic>[] TrafficSnapshot()
    {
        lock (_traffic) return [.. _traffic];
    }

    public IEnumerable<Session> Sessions => _sessions.All;

    /// <summary>How many slots were ever used: the range of <see cref="SessionAt"/>, for a reader that comes back for more.</summary>
    public int Slots => _sessions.SlotsUsed;

    /// <summary>Null where nobody is at present.</summary>
    public Session? SessionAt(int slot) => _sessions.At(slot) is { Phase: not Phase.Free } session ? session : null;

    /// <summary>Null when the session of this <see cref="Session.Ticket"/> has ended.</summary>
    public Session? Find(ulong ticket) => _sessions.Find(ticket);

    // ---- what the flow asks of its reactor ----

    /// <summary>A session for a client's connection, of which the caller sets <see cref="Session.Client"/>.</summary>
    public Session Open() => _sessions.Open();

    /// <summary>Takes back the object of a session whose descriptors are closed and whose buffers are returned.</summary>
    public void Release(Session session)
    {
        _timers.Cancel(session);
        _sessions.Release(session);
    }

    public Setup RentSetup() => _freeSetups.TryPop(out var setup) ? setup : new Setup();

    public void ReturnSetup(Setup setup)
    {
        Setups.Leave(setup);
        setup.ReturnBuffers(this);
        setup.Reset();
        if (_freeSetups.Count < RetainedSetups) _freeSetups.Push(setup);
    }

    public void ReturnBuffer(ref byte[]? buffer)
    {
        if (buffer is null) return;
        Buffers.Return(buffer);
        buffer = null;
    }

    /// <summary>Begins to hear of a session's side. 0 or an errno.</summary>
    public abstract int Watch(Session session, bool upstream);

    /// <summary>Begins to connect the session's backend side, to <see cref="Session.Destination"/>: 0 when it is connected at once,
    /// EINPROGRESS, or another errno.</summary>
    /// <param name="source">An index into the pool's source addresses; -1 leaves the address to the system.</param>
    public abstract int Connect(Session session, int source);

    /// <summary>Whether the backend side that was being connected is so by now, as far as that can be asked.</summary>
    public abstract bool IsConnected(Session session);

    /// <summary>Why the backend side failed (an errno); 0 when it did not.</summary>
    public abstract int TakeError(Session session);

    /// <summary>Gives the backend's socket the pool's keep-alive and user time-out.</summary>
    public abstract void WatchPeer(Session session);

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

    /// <summary>Puts a listener into the reactor's table: its clients may come.</summary>
    public virtual void Listen(ListenerSocket socket) => _listeners.Add(socket);

    public virtual void StopListening(ListenerSocket socket) => _listeners.Remove(socket);

    /// <summary>Stops or goes on taking connections while the socket stays open: the system's queue holds them meanwhile.</summary>
    public abstract void SetAccepting(ListenerSocket socket, bool accepting);

    /// <summary>Of the clients of all listeners that have not sent their whole CONNECT, the one that came first.</summary>
    public Session? LongestUnconnected() => _listeners.LongestUnconnected();

    public IEnumerable<ListenerSocket> Listeners => _listeners.All;

    private void Enqueue(in Message message)
    {
        _inbox.Enqueue(message);
        if (Interlocked.Exchange(ref _wakePending, 1) == 0) Wake();
    }

    /// <summary>Has <see cref="DrainInbox"/> called soon; from any thread.</summary>
    protected abstract void Wake();

    protected ListenerSocket? ListenerAt(int index) => _listeners.At(index);

    protected int ListenerCount => _listeners.Count;

    protected Session? InSlot(int slot) => _sessions.At(slot);

    /// <summary>Whether sessions wait for another turn.</summary>
    protected bool AnyReady => _ready.Count > 0;

    /// <summary>Whether <see cref="Wake"/> was called since <see cref="DrainInbox"/> began: nobody calls it again until that begins again.</summary>
    protected bool IsWoken => Volatile.Read(ref _wakePending) != 0;

    protected ILogger Logger => _logger;

    /// <summary>Milliseconds until a session's deadline may have come; -1 when none has one.</summary>
    protected int DelayUntilDeadline()
    {
        long now = Environment.TickCount64;
        int timers = _timers.DelayUntilNext(now);
        if (Queue.Count == 0) return timers;
        int queue = (int)Math.Max(0, Queue.DueAt - now);
        return timers < 0 ? queue : Math.Min(timers, queue);
    }

    /// <summary>Goes on with whatever waits for this time.</summary>
    protected void Expire()
    {
        _timers.Advance(Now, _expired);
        if (Queue.DueAt <= Now) Queue.Serve();
    }

    protected void CloseAll()
    {
        foreach (var session in Sessions.ToArray()) Flow.Close(session, CloseReason.Drained);
        foreach (var listener in Listeners.ToArray()) StopListening(listener);
    }

    /// <summary>Goes on with a session that has news.</summary>
    protected void Guarded(Session session, bool upstream)
    {
        try
        {
            Flow.Advance(session, upstream);
        }
        catch (Exception e)
        {
            GiveUp(session, e);
        }
    }

    /// <summary>It is the turn of a session in the <see cref="Queue"/>.</summary>
    public void Resume(Session session)
    {
        try
        {
            Flow.Resume(session);
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
            Flow.Expired(session);
        }
        catch (Exception e)
        {
            GiveUp(session, e);
        }
    }

    protected void GiveUp(Session session, Exception e)
    {
        Log.SessionFailed(_logger, e, session.Phase, session.Remote);
        if (session.Phase != Phase.Free) Flow.Close(session, CloseReason.Internal);
    }

    protected void RunReady()
    {
        if (_ready.Count == 0) return;
        long until = Stopwatch.GetTimestamp() + ReadySlice;
        do
        {
            var session = _ready.Dequeue();
            session.InReadyList = false;
            if (session.Phase != Phase.Free) Guarded(session, upstream: false);
        }
        while (_ready.Count > 0 && Stopwatch.GetTimestamp() < until);
    }

    protected void DrainInbox()
    {
        // Cleared before reading, and with a full fence: were the reads to overtake the write, a sender could find the flag still set
        // after the last read, not signal, and its message would lie until the next event.
        Interlocked.Exchange(ref _wakePending, 0);
        while (_inbox.TryDequeue(out var message))
        {
            var about = message.Kind == MessageKind.Run ? null : Find(message.Ticket);
            try
            {
                switch (message.Kind)
                {
                    case MessageKind.Run:
                        message.Action!(this);
                        break;
                    case MessageKind.Sticky:
                        if (about is { Phase: Phase.Routing }) Flow.StickyAnswered(about, message.Answer);
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
