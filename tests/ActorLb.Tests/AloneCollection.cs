namespace ActorLb.Tests;

/// <summary>Tests that count what the whole process holds or allocates: nothing else may run beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
