using System.Collections.Immutable;
using ActorLb.Hosting;

namespace ActorLb.Fleet.Membership;

internal enum HelloState : byte { Alone = 0, Joining = 1, Member = 2 }

/// <summary>Why a node may not join.</summary>
internal enum HelloRefusal : byte { None = 0, NameIsTaken = 1 }

/// <summary>Asks whether the receiver gets heartbeats of a member, because the sender gets none.</summary>
/// <param name="Member">The member's Akka address.</param>
internal sealed record HeartbeatQuestion(string Member);

/// <summary>The answer to <see cref="HeartbeatQuestion"/> if it does.</summary>
internal sealed record HeartbeatConfirmation(string Member);

/// <summary>Identifies a cluster among others of the same name.</summary>
/// <param name="FormedAt">
/// When its first member formed it, in milliseconds since 1970 by that member's clock: of two clusters the older one stays.
/// </param>
/// <param name="Former">The number of that member's fleet system.</param>
internal readonly record struct ClusterId(long FormedAt, long Former);

/// <summary>
/// The greeting between nodes that may not be in one cluster. The first four fields never change, so that any two releases can
/// tell each other why they can't join.
/// </summary>
/// <param name="Protocol">See <see cref="Current"/>.</param>
/// <param name="Uid">The number of the sender's fleet system.</param>
/// <param name="Address">The sender's Akka address.</param>
/// <param name="Target">The address that the greeting was sent to; returned in the answer.</param>
/// <param name="IsReady">The sender hears enough seeds to form a cluster.</param>
/// <param name="Hears">Addresses of nodes that the sender has heard recently.</param>
/// <param name="Members">Numbers of the fleet systems in the sender's cluster.</param>
internal sealed record Hello(
    ushort Protocol, string Cluster, int Shards, string Node,
    long Uid, string Address, string Target, bool WantsAnswer, HelloState State, bool IsReady, HelloRefusal Refusal,
    ClusterId Id, ImmutableArray<string> Hears, ImmutableArray<long> Members)
{
    /// <summary>Incremented when adjacent releases can't work together.</summary>
    public const ushort Current = 1;

    public const int MaxNodes = 1024;

    /// <summary>The most bytes of a text.</summary>
    public const int MaxText = 1024;
}
