using System.Collections.Immutable;
using ActorLb.Sticky.Map;
using Akka.Actor;

namespace ActorLb.Fleet.Membership;

/// <param name="Id">The node's name and the number of its fleet system.</param>
/// <param name="Address">Akka's address, including protocol and system name.</param>
/// <param name="IsReachable">Whether this node and, as far as known, all members reach it.</param>
/// <param name="IsHeard">Whether this node hears it, whatever the others report.</param>
internal sealed record ClusterMember(MemberId Id, Address Address, string? Zone, bool IsReachable, bool IsHeard, bool IsLeaving);

/// <summary>The members as this node sees them, including unreachable ones until they are removed.</summary>
internal sealed record ClusterMembers(MemberId Self, ImmutableArray<ClusterMember> All)
{
    public ClusterMember? TryFind(MemberId id)
    {
        foreach (var member in All)
        {
            if (member.Id == id) return member;
        }
        return null;
    }
}
