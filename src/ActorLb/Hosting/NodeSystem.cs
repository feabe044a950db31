using ActorLb.Fleet.Membership;
using ActorLb.Supervision;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>
/// The actors of a node's control plane. A local system that lives as long as the node: no port, no cluster, and a fleet system may
/// come and go beside it. No byte of a client and no CONNECT passes through it.
/// </summary>
internal sealed class NodeSystem : IAsyncDisposable
{
    public const string Name = "node";

    /// <param name="overrides">Settings that come before this class's own.</param>
    public NodeSystem(ILoggerFactory loggers, TimeProvider time, Config? overrides = null)
    {
        var logger = loggers.CreateLogger("ActorLb.Actors");
        var config = ConfigurationFactory.ParseString(Settings);
        System = ActorSystem.Create(Name, overrides is null ? config : overrides.WithFallback(config));
        ActorRestarts.Of(System).Logger = logger;
        var limit = new LineLimit(time, lines: 2, TimeSpan.FromSeconds(30));
        System.ActorOf(ActorProps.Of(() => new AkkaLogActor(logger, limit)), "log");
    }

    public ActorSystem System { get; }

    public async ValueTask DisposeAsync() => await System.Terminate().ConfigureAwait(false);

    private const string Settings = """
        akka {
          loggers = []
          loglevel = WARNING
          stdout-loglevel = OFF
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          # The process stops the system itself.
          coordinated-shutdown { exit-clr = off, run-by-clr-shutdown-hook = off, run-by-actor-system-terminate = off }
          # An idle system wakes up at each tick; nothing here needs millisecond precision.
          scheduler.tick-duration = 100ms
          actor {
            provider = local
            # No message leaves the process.
            serializers.json = "ActorLb.Fleet.Membership.RefusingJsonSerializer, ActorLb.Engine"
            guardian-supervisor-strategy = "ActorLb.Supervision.TopStrategy, ActorLb.Engine"
            # Actors run in short turns on the threads that all tasks share.
            default-dispatcher { executor = thread-pool-executor, shutdown-timeout = 100ms }
            internal-dispatcher { executor = thread-pool-executor, shutdown-timeout = 100ms }
          }
        }
        """;
}
