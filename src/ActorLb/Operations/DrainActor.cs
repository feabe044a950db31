using ActorLb.Balancing;
using ActorLb.Supervision;
using Akka.Actor;

namespace ActorLb.Operations;

/// <summary>Sets what an operator orders for a backend, and takes a drained one down when its deadline is over.</summary>
internal sealed class DrainActor : SupervisedActor
{
    private readonly Func<IEnumerable<Backend>> _backends;

    /// <param name="backends">All of the node; they keep the deadlines of their drains themselves.</param>
    public DrainActor(Func<IEnumerable<Backend>> backends) => _backends = backends;

    /// <summary>Answered by <see cref="Done"/>. An order without a deadline takes back the deadline of the one before.</summary>
    public sealed record Order(Backend Backend, AdminState State, TimeSpan? Deadline);

    public sealed record Done
    {
        public static readonly Done Instance = new();
    }

    private sealed record Over(Backend Backend);

    protected override void Begin()
    {
        foreach (Backend backend in _backends())
        {
            if (backend.DrainLeft is { } left && !Timers.IsTimerActive(backend)) EndAfter(backend, left);
        }
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case Order order:
                OnOrder(order);
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
        if (message is Order) Sender.Tell(new Status.Failure(reason));
        base.PreRestart(reason, message);
    }

    private void OnOrder(Order order)
    {
        order.Backend.SetAdminState(order.State, order.Deadline);
        if (order.Deadline is { } after) EndAfter(order.Backend, after);
        else Timers.Cancel(order.Backend);
        Sender.Tell(Done.Instance);
    }

    private static void OnOver(Over over)
    {
        // A reload may have set another state meanwhile.
        if (over.Backend.DrainLeft is not null) over.Backend.SetAdminState(AdminState.Down, isDrainOver: true);
    }

    private void EndAfter(Backend backend, TimeSpan after) => Timers.StartSingleTimer(backend, new Over(backend), after);
}
