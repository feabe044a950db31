using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <summary>Where the lookups of one shard are sent.</summary>
/// <param name="Owner">Null if unknown, gone or this node.</param>
/// <param name="Replica">The same for the replica.</param>
internal readonly record struct ShardRoute(
    MemberLookups? Owner, bool IsOwnerHere, bool IsOwnerUp, MemberLookups? Replica, bool IsReplicaHere, bool IsReplicaUp, ulong Epoch);

/// <summary>A consistent snapshot of members and directory, swapped as a whole.</summary>
/// <param name="Members">Null while the node is not a member of a fleet.</param>
internal sealed record MapView(MapMembers? Members, DesiredSeats Desired, ShardDirectory Directory, MemberLookups[] Others, ShardRoute[] Routes)
{
    public MemberLookups? Other(MemberId id)
    {
        foreach (var other in Others)
        {
            if (other.Id == id)
            {
                return other;
            }
        }

        return null;
    }
}
