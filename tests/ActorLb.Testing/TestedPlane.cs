using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using ActorLb.Hosting;

namespace ActorLb.Testing;

/// <summary>The data plane that a run of the tests is about: reactor, or what the variable ACTORLB_TEST_DATA_PLANE says. One set of tests
/// is for both.</summary>
internal static class TestedPlane
{
    public static DataPlaneKind Kind { get; } =
        Environment.GetEnvironmentVariable("ACTORLB_TEST_DATA_PLANE") == "streams" ? DataPlaneKind.Streams : DataPlaneKind.Reactor;

    /// <summary>The configuration with a data plane. A test of what the plane does not have is skipped.</summary>
    public static ActorLbOptions Apply(ActorLbOptions options, DataPlaneKind kind)
    {
        var applied = options with { Node = options.Node with { DataPlane = kind } };
        if (DataPlaneChecks.Problem(kind, applied) is { } problem) Skip(problem);
        return applied;
    }

    /// <summary>For tests of what bare descriptors alone can do.</summary>
    public static void DemandReactor(string why)
    {
        if (Kind != DataPlaneKind.Reactor) Skip(why);
    }

    /// <summary>xunit counts a test that fails with this beginning as skipped.</summary>
    private static void Skip(string why) => throw new InvalidOperationException("$XunitDynamicSkip$" + why);
}
