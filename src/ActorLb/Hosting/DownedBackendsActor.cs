using System.Runtime.ExceptionServices;
using ActorLb.Balancing;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Supervision;
using Akka.Actor;
using Akka.Streams;
using Akka.Streams.Dsl;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>
/// Closes the sessions of backends that are found down, or whose drain is over, at the pace of a node's drain and for as long as they are
/// down: what is left when a backend comes back stays.
/// </summary>
internal sealed partial class DownedBackendsActor : SupervisedActor
{
    private const BackendBlocks Down = BackendBlocks.Unhealthy | BackendBlocks.FleetUnhealthy;

    /// <summary>Slots looked at in one turn of a reactor: well under a millisecond.</summary>
    private const int Stretch = 4096;

    private readonly IReadOnlyList<Reactor> _reactors;
    private readonly Func<IEnumerable<Close>> _fallen;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    // Those at work.
    private readonly Dictionary<Backend, Closing> _closing = [];

    /// <param name="fallen">The backends that are down now and whose sessions must be closed: what a restart continues with.</param>
    public DownedBackendsActor(IReadOnlyList<Reactor> reactors, Func<IEnumerable<Close>> fallen, TimeProvider time, ILogger logger)
    {
        _reactors = reactors;
        _fallen = fallen;
        _time = time;
        _logger = logger;
    }

    /// <summary>The backend was found down, or its drain is over.</summary>
    /// <param name="Within">Time over which its sessions are closed.</param>
    public sealed record Close(string Pool, Backend Backend, TimeSpan Within);

    /// <param name="Failure">Null when there is nobody left to close, or the backend is back.</param>
    private sealed record Ended(Closing Closing, Exception? Failure);

    private sealed class Closing(Close order, long start, int reactors)
    {
        public Close Order => order;

        public Backend Backend => order.Backend;

        public TimeSpan Within => order.Within;

        public long Start { get; } = start;

        public int Total { get; } = order.Backend.Active;

        public int Closed { get; set; }

        /// <summary>Where each reactor goes on; the step under way uses them.</summary>
        public int[] Places { get; } = new int[reactors];
    }

    protected override void Begin()
    {
        foreach (var fallen in _fallen()) OnClose(fallen);
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case Close order:
                OnClose(order);
                return true;
            case Ended ended:
                OnEnded(ended);
                return true;
            default:
                return false;
        }
    }

    private void OnClose(Close order)
    {
        if (_closing.ContainsKey(order.Backend) || !GoesOn(order.Backend)) return;
        var closing = new Closing(order, _time.GetTimestamp(), _reactors.Count);
        _closing.Add(order.Backend, closing);
        Log.Closing(_logger, closing.Total, order.Backend.Id, order.Pool, order.Within.TotalSeconds);
        // A step begins when the one before it is done, and none is missed for more than one: the ticks have no buffer.
        _ = Source.Tick(TimeSpan.Zero, DrainPace.Step, closing)
            .TakeWhile(static c => GoesOn(c.Backend))
            .SelectAsync(1, CloseDueAsync)
            .RunWith(Sink.Ignore<Closing>(), Context.Materializer())
            .PipeTo(Self, success: _ => new Ended(closing, null), failure: e => new Ended(closing, e));
    }

    private void OnEnded(Ended ended)
    {
        // One of before a restart ended with it.
        if (_closing.GetValueOrDefault(ended.Closing.Backend) != ended.Closing) return;
        _closing.Remove(ended.Closing.Backend);
        // An error within a reactor is one of this actor's work.
        if (ended.Failure is not null) ExceptionDispatchInfo.Throw(ended.Failure);
        // It may have fallen again before this message came: that order was taken for a repeated one.
        OnClose(ended.Closing.Order);
    }

    private async Task<Closing> CloseDueAsync(Closing closing)
    {
        var elapsed = _time.GetElapsedTime(closing.Start);
        // When the time is over, clients that came meanwhile go too.
        int left = elapsed >= closing.Within
            ? closing.Backend.Active : DrainPace.Due(closing.Total, elapsed, closing.Within) - closing.Closed;
        for (int i = 0; i < _reactors.Count && left > 0; i++)
        {
            int place = closing.Places[i], portion = left;
            (int some, closing.Places[i]) =
                await _reactors[i].AskAsync(r => CloseSome(r, closing.Backend, place, portion)).ConfigureAwait(false);
            closing.Closed += some;
            left -= some;
        }
        return closing;
    }

    private static bool GoesOn(Backend backend) =>
        backend.Active > 0 && (backend.IsDrainOver || (backend.Blocks & Down) != BackendBlocks.None);

    private static (int Closed, int Next) CloseSome(Reactor reactor, Backend backend, int from, int portion)
    {
        int closed = 0, slot = from < reactor.Slots ? from : 0;
        int end = Math.Min(reactor.Slots, slot + Stretch);
        for (; slot < end && closed < portion; slot++)
        {
            if (reactor.SessionAt(slot) is not { Phase: Phase.Relay, Leaving: false } session || session.Backend != backend) continue;
            reactor.Flow.Closer.Drain(session, DisconnectReason.ServerShuttingDown, CloseReason.BackendDown);
            closed++;
        }
        return (closed, slot);
    }

    private static partial class Log
    {
        [LoggerMessage(1502, LogLevel.Information, "closing the {Sessions} sessions of backend {Backend} of pool {Pool}, which is down, within {Seconds} s")]
        public static partial void Closing(ILogger logger, int sessions, string backend, string pool, double seconds);
    }
}
