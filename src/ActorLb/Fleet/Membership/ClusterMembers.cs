using System.Collections.Immutable;
using Akka.Actor;
using PeerId = ActorLb.Cluster.PeerId;

namespace ActorLb.Fleet.Membership;

/// <param name="Id">Name of the node and number of its fleet system.</param>
/// <param name="Address">Akka's address, with the system's name and protocol.</param>
/// <param name="IsReachable">By the failure detectors of all members, and by the connections of this one.</param>
internal sealed record ClusterMember(PeerId Id, Address Address, string? Zone, bool IsReachable, bool IsLeaving);

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
