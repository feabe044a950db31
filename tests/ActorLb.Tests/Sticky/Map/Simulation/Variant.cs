namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>Ways to break the protocol on purpose, to see that the checks notice.</summary>
internal enum Variant
{
    None,

    /// <summary>Messages are accepted whatever their epoch.</summary>
    NoEpochCheck,

    /// <summary>A node keeps serving a shard whose actor has stopped.</summary>
    ServesWithoutActor,

    /// <summary>A copy occasionally applies a change to the wrong key.</summary>
    WrongChange,
}
