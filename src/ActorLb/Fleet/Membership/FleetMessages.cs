using System.Collections.Immutable;
using ActorLb.Hosting;

namespace ActorLb.Fleet.Membership;

internal enum HelloState : byte { Alone = 0, Joining = 1, Member = 2 }

/// <summary>Why a node may not join; 0 is no reason.</summary>
internal enum HelloRefusal : byte { None = 0, NameIsTaken = 1 }

/// <summary>Asks whether heartbeats of a member come to the receiver, as none come to the sender.</summary>
/// <param name="Member">Its Akka address.</param>
internal sealed record DoYouHear(string Member);

/// <summary>The answer, when they do.</summary>
internal sealed record YesIHear(string Member);

/// <summary>One cluster, told from others of the same name.</summary>
/// <param name="FormedAt">When its first member joined itself, in milliseconds since 1970 by that member's clock: the older stays.</param>
/// <param name="Former">That member's number.</param>
internal readonly record struct ClusterId(long FormedAt, long Former);

/// <summary>
/// What nodes that may not be members of one cluster tell each other. The first four fields never change, so that every release can
/// tell every other why they do not go together.
/// </summary>
/// <param name="Protocol">See <see cref="Current"/>.</param>
/// <param name="Uid">Of the sender's fleet system.</param>
/// <param name="Address">Akka's address of the sender.</param>
/// <param name="Target">The address that the asker sent it to; comes back with the answer.</param>
/// <param name="IsReady">It hears enough of the seeds to form a cluster.</param>
/// <param name="Hears">Addresses of nodes that the sender has heard of lately.</param>
/// <param name="Members">Numbers of the fleet systems in the sender's cluster.</param>
internal sealed record Hello(
    ushort Protocol, string Cluster, int Shards, string Node,
    long Uid, string Address, string Target, bool WantsAnswer, HelloState State, bool IsReady, HelloRefusal Refusal,
    ClusterId Id, ImmutableArray<string> Hears, ImmutableArray<long> Members)
{
    /// <summary>Raised when nodes of adjacent releases cannot work together.</summary>
    public const ushort Current = 1;

    public const int MaxNodes = 1024;

    /// <summary>Bytes of a text.</summary>
    public const int MaxText = 1024;
}
