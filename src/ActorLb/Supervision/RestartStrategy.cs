using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Supervision;

/// <summary>
/// Restarts only the failed actor, not its siblings, and logs the failure in full, because it is a bug. An actor that can't be
/// created stops.
/// </summary>
internal sealed partial class RestartStrategy : OneForOneStrategy
{
    public static readonly RestartStrategy Instance = new();

    private RestartStrategy()
        : base(Decide)
    {
    }

    public override void HandleChildTerminated(IActorContext actorContext, IActorRef child, IEnumerable<IInternalActorRef> children)
    {
        ActorRestarts.Of(actorContext.System).Forget(child.Path);
        base.HandleChildTerminated(actorContext, child, children);
    }

    protected override void LogFailure(IActorContext context, IActorRef child, Exception cause, Directive directive)
    {
        var restarts = ActorRestarts.Of(context.System);
        if (directive == Directive.Restart)
        {
            restarts.Count(child.Path);
            Log.Restarts(restarts.Logger, cause, ActorTree.PathOf(child), restarts.DelayOf(child.Path));
        }
        else
        {
            Log.Stops(restarts.Logger, cause, ActorTree.PathOf(child));
        }
    }

    private static Directive Decide(Exception cause) =>
        cause is ActorInitializationException or ActorKilledException or DeathPactException ? Directive.Stop : Directive.Restart;

    private static partial class Log
    {
        [LoggerMessage(1711, LogLevel.Error, "actor {Actor} failed; it restarts in {Delay}")]
        public static partial void Restarts(ILogger logger, Exception cause, string actor, TimeSpan delay);

        [LoggerMessage(1712, LogLevel.Error, "actor {Actor} failed and has stopped")]
        public static partial void Stops(ILogger logger, Exception cause, string actor);
    }
}

/// <summary>The strategy for a system's top-level actors; referenced by name in the configuration.</summary>
internal sealed class TopStrategy : SupervisorStrategyConfigurator
{
    public override SupervisorStrategy Create() => RestartStrategy.Instance;
}
