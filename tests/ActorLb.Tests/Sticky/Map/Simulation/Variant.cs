namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>Ways to break the protocol on purpose, to see that the checks notice.</summary>
internal enum Variant
{
    None,

    /// <summary>Nobody looks at the epoch of what others send.</summary>
    NoEpochCheck,

    /// <summary>A node goes on to answer for a shard whose actor has stopped.</summary>
    ServesWithoutActor,

    /// <summary>Now and then a copy takes a change for one of another key.</summary>
    WrongChange,
}
