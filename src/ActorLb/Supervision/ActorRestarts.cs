using System.Collections.Concurrent;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Supervision;

/// <summary>Counts the restarts of each living actor in a system, and decides how long each waits before the next.</summary>
internal sealed class ActorRestarts : IExtension
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);

    /// <summary>After this time without a failure an actor counts as recovered.</summary>
    private static readonly TimeSpan Recovered = TimeSpan.FromMinutes(1);

    // By path, which identifies one living actor. Written only by its supervisor.
    private readonly ConcurrentDictionary<string, Failures> _failures = new(StringComparer.Ordinal);
    private readonly ExtendedActorSystem _system;

    private ActorRestarts(ExtendedActorSystem system) => _system = system;

    private readonly record struct Failures(long Total, int InARow, TimeSpan Last);

    /// <summary>The log for failures; the creator of the system sets it before starting the first actor.</summary>
    public ILogger Logger { get; set; } = NullLogger.Instance;

    public static ActorRestarts Of(ActorSystem system) => system.WithExtension<ActorRestarts, Provider>();

    public long CountOf(ActorPath path) => _failures.TryGetValue(Key(path), out var failures) ? failures.Total : 0;

    /// <summary>Doubles with each failure in a row, so that an actor that fails at once does not keep a core busy.</summary>
    public TimeSpan DelayOf(ActorPath path)
    {
        int failures = _failures.TryGetValue(Key(path), out var known) ? known.InARow : 0;
        var delay = FirstDelay * Math.Pow(2, Math.Clamp(failures - 1, 0, 10));
        return delay < LongestDelay ? delay : LongestDelay;
    }

    public void Count(ActorPath path)
    {
        var now = _system.Scheduler.MonotonicClock;
        var before = _failures.GetValueOrDefault(Key(path));
        bool inARow = before.Total > 0 && now - before.Last < Recovered;
        _failures[Key(path)] = new Failures(before.Total + 1, inARow ? before.InARow + 1 : 1, now);
    }

    /// <summary>The actor has stopped; its name may be reused.</summary>
    public void Forget(ActorPath path) => _failures.TryRemove(Key(path), out _);

    private static string Key(ActorPath path) => path.ToStringWithoutAddress();

    private sealed class Provider : ExtensionIdProvider<ActorRestarts>
    {
        public override ActorRestarts CreateExtension(ExtendedActorSystem system) => new(system);
    }
}
