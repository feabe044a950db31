using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>
/// An actor that restarts with a delay after a failure, and supervises its children the same way. A restart loses fields, timers
/// and children: <see cref="Begin"/> must restore what should survive.
/// </summary>
/// <remarks>Not a <see cref="ReceiveActor"/>, which compiles expressions for each class and would slow down the start.</remarks>
internal abstract class SupervisedActor : ActorBase, IWithTimers
{
    private static readonly object Now = new BeginNow();

    private sealed record BeginNow;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Called at start and after each restart. Other messages may have arrived before.</summary>
    protected abstract void Begin();

    /// <returns>False if the actor doesn't handle the message.</returns>
    protected abstract bool On(object message);

    protected sealed override bool Receive(object message)
    {
        if (message is not BeginNow) return On(message);
        Begin();
        return true;
    }

    // As a message, so that a failure in Begin is handled like any other.
    protected override void PreStart() => Self.Tell(Now);

    protected override void PostRestart(Exception reason) =>
        Timers.StartSingleTimer(Now, Now, ActorRestarts.Of(Context.System).DelayOf(Self.Path));

    protected override SupervisorStrategy SupervisorStrategy() => RestartStrategy.Instance;
}
