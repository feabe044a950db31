namespace ActorLb.Fleet.Membership;

/// <summary>Something that lives on fleet systems and outlives them: the map's shards, the spread state. Calls come one at a time.</summary>
internal interface IFleetPart
{
    /// <summary>HOCON that its messages and actors need.</summary>
    string Configuration { get; }

    /// <summary>A new fleet system is there; it is not a member yet.</summary>
    void Start(FleetSystem system);

    /// <summary>Who is a member, this node included; null when this node is none (any longer).</summary>
    void SetMembers(ClusterMembers? members);
}
