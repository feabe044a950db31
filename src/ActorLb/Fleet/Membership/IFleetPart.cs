namespace ActorLb.Fleet.Membership;

/// <summary>
/// A part that runs on fleet systems and outlives them: the map's shards, the spread state, inquiries. Calls are serialized.
/// </summary>
internal interface IFleetPart
{
    /// <summary>HOCON for its messages and actors.</summary>
    string Configuration { get; }

    /// <summary>A new fleet system has started; it is not a member yet.</summary>
    void Start(FleetSystem system);

    /// <summary>The members changed, including this node; null if this node is not, or no longer, a member.</summary>
    void SetMembers(ClusterMembers? members);
}
