using System.Collections.Concurrent;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Supervision;

/// <summary>The restarts of a system's actors, kept as long as the actor lives, and how long each waits after its last one.</summary>
internal sealed class ActorRestarts : IExtension
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);

    /// <summary>Without a failure for this time an actor counts as well again.</summary>
    private static readonly TimeSpan Recovered = TimeSpan.FromMinutes(1);

    // By path, which names one living actor. Written by its supervisor, one at a time.
    private readonly ConcurrentDictionary<string, Failures> _failures = new(StringComparer.Ordinal);
    private readonly ExtendedActorSystem _system;

    private ActorRestarts(ExtendedActorSystem system) => _system = system;

    private readonly record struct Failures(long Total, int InARow, TimeSpan Last);

    /// <summary>Where the failures are logged; whoever makes the system sets it before the first actor.</summary>
    public ILogger Logger { get; set; } = NullLogger.Instance;

    public static ActorRestarts Of(ActorSystem system) => system.WithExtension<ActorRestarts, Provider>();

    public long CountOf(ActorPath path) => _failures.TryGetValue(Key(path), out Failures failures) ? failures.Total : 0;

    /// <summary>Doubles with each failure in a row, so that an actor that fails at once does not keep a core busy.</summary>
    public TimeSpan DelayOf(ActorPath path)
    {
        int failures = _failures.TryGetValue(Key(path), out Failures known) ? known.InARow : 0;
        TimeSpan delay = FirstDelay * Math.Pow(2, Math.Clamp(failures - 1, 0, 10));
        return delay < LongestDelay ? delay : LongestDelay;
    }

    public void Count(ActorPath path)
    {
        TimeSpan now = _system.Scheduler.MonotonicClock;
        Failures before = _failures.GetValueOrDefault(Key(path));
        bool inARow = before.Total > 0 && now - before.Last < Recovered;
        _failures[Key(path)] = new Failures(before.Total + 1, inARow ? before.InARow + 1 : 1, now);
    }

    /// <summary>The actor has stopped; a new one may get its name.</summary>
    public void Forget(ActorPath path) => _failures.TryRemove(Key(path), out _);

    private static string Key(ActorPath path) => path.ToStringWithoutAddress();

    private sealed class Provider : ExtensionIdProvider<ActorRestarts>
    {
        public override ActorRestarts CreateExtension(ExtendedActorSystem system) => new(system);
    }
}
