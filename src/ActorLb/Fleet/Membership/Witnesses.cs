using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Akka.Event;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Whom this member hears itself, and whom others say that they hear: a member that can be reached by way of another one is not taken for
/// dead, so that a single cut link costs nobody the membership (the indirect probes of SWIM; Das, Gupta and Motivala, DSN 2002, section 3.1).
/// Any thread.
/// </summary>
internal sealed class Witnesses
{
    // The only thing that a failure detector is told of its system.
    private static readonly ConditionalWeakTable<EventStream, Witnesses> Systems = [];

    // By Akka's address, as text: that is what a detector knows its member by. Time stamps of Stopwatch.
    private readonly ConcurrentDictionary<string, long> _heard = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _vouched = new(StringComparer.Ordinal);

    public static Witnesses Of(EventStream system) => Systems.GetOrCreateValue(system);

    /// <summary>A heartbeat of the member has come.</summary>
    public void Hear(string member) => _heard[member] = Stopwatch.GetTimestamp();

    /// <summary>Another member hears it.</summary>
    public void Vouch(string member) => _vouched[member] = Stopwatch.GetTimestamp();

    /// <summary>Whether a heartbeat has come within this time. Null when none ever has: then this member does not listen for them.</summary>
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
