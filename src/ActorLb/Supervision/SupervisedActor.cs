using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>
/// An actor that restarts after a failure, with a pause, and supervises its children in the same way. A restarted one has lost its
/// fields, timers and children: <see cref="Begin"/> brings back what must survive from where it is kept.
/// </summary>
/// <remarks>No <see cref="ReceiveActor"/>: that compiles expressions for each class, which a node's start would have to wait for.</remarks>
internal abstract class SupervisedActor : ActorBase, IWithTimers
{
    private static readonly object Now = new BeginNow();

    private sealed record BeginNow;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>At the start and after each restart. Other messages may have come before.</summary>
    protected abstract void Begin();

    /// <returns>False for a message that the actor does not know.</returns>
    protected abstract bool On(object message);

    protected sealed override bool Receive(object message)
    {
        if (message is not BeginNow) return On(message);
        Begin();
        return true;
    }

    // By a message, so that a failure in it is one like any other.
    protected override void PreStart() => Self.Tell(Now);

    protected override void PostRestart(Exception reason) =>
        Timers.StartSingleTimer(Now, Now, ActorRestarts.Of(Context.System).DelayOf(Self.Path));

    protected override SupervisorStrategy SupervisorStrategy() => RestartStrategy.Instance;
}
