using System.Collections.Immutable;
using ActorLb.Sticky.Map;
using Akka.Actor;
using Akka.Cluster;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// The members according to Akka's events, and suspicions from broken connections, which come earlier than the failure
/// detector's.
/// </summary>
internal sealed class MemberTable(UniqueAddress self, TimeSpan suspicion)
{
    private readonly Dictionary<UniqueAddress, Member> _members = [];
    private readonly HashSet<UniqueAddress> _unreachable = [];
    private readonly Dictionary<Address, TimeSpan> _suspects = [];
    private readonly HashSet<Address> _silent = [];

    /// <summary>Whether this node is a member.</summary>
    public bool IsMember => _members.TryGetValue(self, out var own) && IsUp(own.Status);

    public static bool IsUp(MemberStatus status) => status is MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Exiting;

    public static MemberId IdOf(Member member) => new(RoleOf(member, FleetConfig.NameRole) ?? member.Address.ToString(), IncarnationOf(member.UniqueAddress));

    public static ulong IncarnationOf(UniqueAddress address) => (uint)address.Uid;

    public void Set(Member member)
    {
        if (member.Status == MemberStatus.Removed) Remove(member);
        else _members[member.UniqueAddress] = member;
    }

    public void Remove(Member member)
    {
        _members.Remove(member.UniqueAddress);
        _unreachable.Remove(member.UniqueAddress);
        if (_members.Keys.Any(m => m.Address.Equals(member.Address))) return;
        _suspects.Remove(member.Address);
        _silent.Remove(member.Address);
    }

    public void SetReachable(Member member, bool isReachable)
    {
        if (isReachable) _unreachable.Remove(member.UniqueAddress);
        else _unreachable.Add(member.UniqueAddress);
    }

    /// <summary>Updates which members this one hears.</summary>
    /// <param name="isHeard">Whether this member gets heartbeats of another.</param>
    /// <returns>Whether anything changed.</returns>
    public bool Listen(Func<Address, bool> isHeard)
    {
        bool changed = false;
        foreach (var member in _members.Keys) changed |= isHeard(member.Address) ? _silent.Remove(member.Address) : _silent.Add(member.Address);
        return changed;
    }

    /// <summary>
    /// A connection with a member broke: the member counts as unreachable until a new connection is established or the suspicion
    /// expires.
    /// </summary>
    /// <returns>Whether anything changed.</returns>
    public bool Suspect(Address address, TimeSpan now)
    {
        if (address.Equals(self.Address) || !_members.Keys.Any(m => m.Address.Equals(address))) return false;
        bool isNew = !_suspects.ContainsKey(address);
        _suspects[address] = now + suspicion;
        return isNew;
    }

    /// <summary>A connection with the member is established.</summary>
    public bool Trust(Address address) => _suspects.Remove(address);

    /// <summary>Ends suspicions that the failure detector has decided by now.</summary>
    public bool Expire(TimeSpan now)
    {
        bool changed = false;
        foreach ((var address, var until) in _suspects)
        {
            if (until <= now) changed |= _suspects.Remove(address);
        }
        return changed;
    }

    public ClusterMembers View() => new(
        new MemberId(_members.TryGetValue(self, out var own) ? IdOf(own).Name : "", IncarnationOf(self)),
        [.. _members.Values.Where(m => IsUp(m.Status)).Select(Entry).OrderBy(m => m.Id.Name, StringComparer.Ordinal)]);

    private ClusterMember Entry(Member member)
    {
        bool isHeard = !_silent.Contains(member.Address) && !_suspects.ContainsKey(member.Address);
        return new ClusterMember(
            IdOf(member), member.Address, RoleOf(member, FleetConfig.ZoneRole), isHeard && !_unreachable.Contains(member.UniqueAddress), isHeard,
            member.Status is MemberStatus.Leaving or MemberStatus.Exiting);
    }

    private static string? RoleOf(Member member, string prefix) =>
        member.Roles.FirstOrDefault(r => r.StartsWith(prefix, StringComparison.Ordinal))?[prefix.Length..];
}
