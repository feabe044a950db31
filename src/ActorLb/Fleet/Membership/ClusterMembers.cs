using System.Collections.Immutable;
using ActorLb.Sticky.Map;
using Akka.Actor;

namespace ActorLb.Fleet.Membership;

/// <param name="Id">Name of the node and number of its fleet system.</param>
/// <param name="Address">Akka's address, with the system's name and protocol.</param>
/// <param name="IsReachable">By all members, as far as they have told, and by this one.</param>
/// <param name="IsHeard">By this member, whatever the others say: it can be asked.</param>
internal sealed record ClusterMember(PeerId Id, Address Address, string? Zone, bool IsReachable, bool IsHeard, bool IsLeaving);

/// <summary>Who is a member, as this node sees it: the unreachable are in it until they are removed.</summary>
internal sealed record ClusterMembers(PeerId Self, ImmutableArray<ClusterMember> All)
{
    public ClusterMember? TryFind(PeerId id)
    {
        foreach (ClusterMember member in All)
        {
            if (member.Id == id) return member;
        }
        return null;
    }
}
