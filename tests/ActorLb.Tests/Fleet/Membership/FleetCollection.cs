namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Tests that run several fleet systems in this process: one after the other, their failure detectors share the cores.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class FleetCollection
{
    public const string Name = "fleet systems";
}
