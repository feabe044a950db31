using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Akka.Event;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// The members that this one hears, and those that others report to hear. A member that is reachable through another one is not
/// considered dead, so that a single cut link removes no member (the indirect probes of SWIM; Das, Gupta and Motivala, DSN 2002,
/// section 3.1). Thread-safe.
/// </summary>
internal sealed class Witnesses
{
    // Keyed by event stream, because that is all a failure detector gets of its system.
    private static readonly ConditionalWeakTable<EventStream, Witnesses> Systems = [];

    // By Akka's address as text, as detectors know their members. Values are Stopwatch time stamps.
    private readonly ConcurrentDictionary<string, long> _heard = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _vouched = new(StringComparer.Ordinal);

    public static Witnesses Of(EventStream system) => Systems.GetOrCreateValue(system);

    /// <summary>A heartbeat of the member arrived.</summary>
    public void Hear(string member) => _heard[member] = Stopwatch.GetTimestamp();

    /// <summary>Another member reported that it hears the member.</summary>
    public void Vouch(string member) => _vouched[member] = Stopwatch.GetTimestamp();

    /// <summary>
    /// Whether a heartbeat arrived within this time; null if none ever did, which means that this member doesn't monitor it.
    /// </summary>
    public bool? Hears(string member, TimeSpan within) =>
        _heard.TryGetValue(member, out long at) ? Stopwatch.GetElapsedTime(at) <= within : null;

    public bool IsVouchedFor(string member, TimeSpan within) =>
        _vouched.TryGetValue(member, out long at) && Stopwatch.GetElapsedTime(at) <= within;

    public void Forget(string member)
    {
        _heard.TryRemove(member, out _);
        _vouched.TryRemove(member, out _);
    }
}
