using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;
using Akka.Actor;
using Akka.Dispatch;
using Akka.Streams;
using Microsoft.Extensions.Logging;
using Graph = Akka.Streams.Dsl.Flow;
using Sink = Akka.Streams.Dsl.Sink;
using Source = Akka.Streams.Dsl.Source;

namespace ActorLb.Proxying.Streams;

/// <summary>
/// A reactor whose connections are graphs of Akka.Streams. It is also what runs the actors of these graphs, one at a time, on whatever
/// thread of the pool is free: so a step of a session has the reactor for itself, whether a socket, a timer or a message causes it.
/// </summary>
internal sealed class StreamsReactor : Reactor, IThreadPoolWorkItem
{
    /// <summary>Actors' turns between two looks at messages and deadlines.</summary>
    private const int TurnsAtOnce = 64;

    private readonly ConcurrentQueue<IRunnable> _runnables = new();
    private readonly Timer _timer;
    private ActorMaterializer? _materializer;
    private long _timerDue = long.MaxValue;
    private int _scheduled;
    private volatile bool _stopped;

    public StreamsReactor(int index, SessionFlow flow, ILogger logger)
        : base(index, flow, logger)
    {
        _timer = new Timer(static r => ((StreamsReactor)r!).Schedule(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>The system that the graphs' actors are of; set before the start.</summary>
    public ActorSystem System { private get; set; } = null!;

    public void Start()
    {
        _materializer = ActorMaterializer.Create(
            System, ActorMaterializerSettings.Create(System).WithDispatcher(StreamsPlane.DispatcherOf(Index)).WithInputBuffer(1, 1));
        // Until the graphs' supervisor has started, running a graph waits for it; on this reactor, which has to start it, that would be a deadlock.
        Source.Empty<int>().RunWith(Sink.Ignore<int>(), _materializer).Wait();
    }

    /// <summary>Closes everything; ends when the graphs have let go of their connections.</summary>
    public async Task StopAsync()
    {
        if (_materializer is null || _stopped) return;
        await AskAsync(r =>
        {
            CloseAll();
            _stopped = true;
            return true;
        }).ConfigureAwait(false);
        _materializer.Shutdown();
    }

    public override void Dispose() => _timer.Dispose();

    /// <summary>Has an actor of a graph take its turn; from any thread.</summary>
    public void Enqueue(IRunnable runnable)
    {
        _runnables.Enqueue(runnable);
        Schedule();
    }

    void IThreadPoolWorkItem.Execute()
    {
        long began = Stopwatch.GetTimestamp();
        Now = Environment.TickCount64;
        Counters.Loops++;
        for (int i = 0; i < TurnsAtOnce && _runnables.TryDequeue(out var runnable); i++)
        {
            runnable.Run();
            Counters.Events++;
        }
        DrainInbox();
        RunReady();
        Expire();
        SetTimer();
        Counters.BusyNanoseconds += (long)Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        // With a full fence: a thread that enqueues after the check below finds the flag cleared.
        Interlocked.Exchange(ref _scheduled, 0);
        if (!_runnables.IsEmpty || IsWoken || AnyReady) Schedule();
    }

    // ---- what the graphs ask ----

    /// <summary>Runs the graph of a connection. On the reactor.</summary>
    public void Serve(ListenerSocket listener, Socket client)
    {
        if (_stopped || !TryAddresses(client, out var remote, out var local))
        {
            client.Dispose();
            return;
        }
        var session = new SessionStage(this, listener, remote, local);
        Graph.FromGraph(SocketFlow.Of(client)).Join(Graph.FromGraph(session)).Run(_materializer!);
    }

    /// <summary>False of a client that has reset the connection already, where the system no longer reports whose it was.</summary>
    private static bool TryAddresses(Socket client, [NotNullWhen(true)] out IPEndPoint? remote, [NotNullWhen(true)] out IPEndPoint? local)
    {
        try
        {
            remote = client.RemoteEndPoint as IPEndPoint;
            local = client.LocalEndPoint as IPEndPoint;
        }
        catch (SocketException)
        {
            remote = local = null;
        }
        return remote is not null && local is not null;
    }

    /// <summary>A connection's graph has begun. Counted only now: who is counted has been judged.</summary>
    public void Admit(ListenerSocket listener, StreamSide client, in NetEndPoint remote, in NetEndPoint local)
    {
        Counters.Accepted++;
        Flow.Admit(this, listener, new Side { Fd = -1, Stream = client }, remote, local);
    }

    public void Advance(Session session, bool upstream)
    {
        if (!session.InReadyList) Guarded(session, upstream);
    }

    /// <summary>The session's graph was ended: its sides are gone already.</summary>
    public void Abandon(Session session)
    {
        if (session.Phase != Phase.Free) Flow.Close(session, CloseReason.Internal);
    }

    // ---- what the steps ask ----

    public override int Watch(Session session, bool upstream)
    {
        ((StreamSide)(upstream ? session.Upstream : session.Client).Stream!).Session = session;
        return 0;
    }

    public override int Connect(Session session, int source)
    {
        var local = source < 0 ? null : session.Pool.Sources![source].Address;
        var target = new SocketTarget(session.Destination.ToIPEndPoint(), local, session.Pool.Options.Tcp);
        session.Upstream = new Side { Fd = -1, Stream = ((StreamSide)session.Client.Stream!).Graph.Dial(target) };
        return Libc.EINPROGRESS;
    }

    public override bool IsConnected(Session session) => false;

    public override int TakeError(Session session) => ((StreamSide)session.Upstream.Stream!).Error;

    /// <summary>The socket has its settings since it was opened.</summary>
    public override void WatchPeer(Session session)
    {
    }

    /// <summary>The listener itself stops: what it accepted until then is served.</summary>
    public override void SetAccepting(ListenerSocket socket, bool accepting)
    {
    }

    protected override void Wake() => Schedule();

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _scheduled, 1) == 0) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
    }

    private void SetTimer()
    {
        int delay = DelayUntilDeadline();
        if (delay < 0) return;
        long due = Environment.TickCount64 + delay;
        if (due >= _timerDue && _timerDue > Now) return;
        _timerDue = due;
        _timer.Change(delay, Timeout.Infinite);
    }
}
