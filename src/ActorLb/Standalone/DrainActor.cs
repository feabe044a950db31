using ActorLb.Balancing;
using ActorLb.Supervision;
using Akka.Actor;

namespace ActorLb.Standalone;

/// <summary>
/// Applies operators' orders for backends, and takes a draining backend down when its deadline passes. For a node by itself.
/// </summary>
internal sealed class DrainActor : SupervisedActor
{
    private readonly Func<IEnumerable<Backend>> _backends;
    private readonly TimeProvider _time;

    /// <param name="backends">
    /// All backends of the node, which keep the deadlines of their drains across restarts of this actor.
    /// </param>
    public DrainActor(Func<IEnumerable<Backend>> backends, TimeProvider time)
    {
        _backends = backends;
        _time = time;
    }

    /// <summary>
    /// Answered with <see cref="Done"/>. An order without a deadline or rate clears that of the previous order.
    /// </summary>
    /// <param name="Rate">For a drain: sessions to close per second.</param>
    public sealed record Order(Backend Backend, AdminState State, TimeSpan? Deadline, double? Rate = null);

    /// <summary>Pauses or resumes a paced drain. Answered with <see cref="Done"/>.</summary>
    public sealed record Pause(Backend Backend, bool IsPaused);

    public sealed record Done
    {
        public static readonly Done Instance = new();
    }

    private sealed record Over(Backend Backend);

    protected override void Begin()
    {
        foreach (var backend in _backends())
        {
            if (backend is { DrainLeft: { } left, Pacing: not { IsPaused: true } } && !Timers.IsTimerActive(backend)) EndAfter(backend, left);
        }
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case Order order:
                OnOrder(order);
                return true;
            case Pause pause:
                OnPause(pause);
                return true;
            case Over over:
                OnOver(over);
                return true;
            default:
                return false;
        }
    }

    protected override void PreRestart(Exception reason, object message)
    {
        if (message is Order or Pause) Sender.Tell(new Status.Failure(reason));
        base.PreRestart(reason, message);
    }

    private void OnOrder(Order order)
    {
        var pacing = order.Rate is { } rate
            ? new PacedDrain(rate, IsPaused: false, order.Backend.Pacing?.Ordered ?? _time.GetUtcNow().ToUnixTimeMilliseconds()) : null;
        order.Backend.SetAdminState(order.State, order.Deadline, pacing: pacing);
        if (order.Deadline is { } after) EndAfter(order.Backend, after);
        else Timers.Cancel(order.Backend);
        Sender.Tell(Done.Instance);
    }

    private void OnPause(Pause pause)
    {
        // The drain may have ended meanwhile.
        if (pause.Backend is { AdminState: AdminState.Drain, Pacing: { } pacing })
        {
            var left = pause.Backend.DrainLeft;
            pause.Backend.SetAdminState(AdminState.Drain, left, pacing: pacing with { IsPaused = pause.IsPaused });
            if (pause.IsPaused) Timers.Cancel(pause.Backend);
            else if (left is { } after) EndAfter(pause.Backend, after);
        }
        Sender.Tell(Done.Instance);
    }

    private static void OnOver(Over over)
    {
        // A reload may have set another state meanwhile.
        if (over.Backend is { DrainLeft: not null, Pacing: not { IsPaused: true } }) over.Backend.SetAdminState(AdminState.Down, isDrainOver: true);
    }

    private void EndAfter(Backend backend, TimeSpan after) => Timers.StartSingleTimer(backend, new Over(backend), after);
}
