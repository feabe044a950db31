using ActorLb.Fuzz.Targets;

namespace ActorLb.Protocol.Tests;

/// <summary>The fuzz targets with fixed numbers; <c>tests/ActorLb.Fuzz</c> runs them for longer with others.</summary>
public sealed class FuzzTests
{
    /// <summary>What the runtime itself may allocate on the way; one byte an input would be a thousand times as much.</summary>
    private const long AllocationBound = 8192;

    [Theory]
    [InlineData("mqtt")]
    [InlineData("proxy")]
    [InlineData("upgrade")]
    [InlineData("frame")]
    public void RandomAndMutated_Inputs_NoCrashNoAllocation(string name) => Run(name, 50_000);

    [Fact]
    [Trait("speed", "slow")]
    public void TenMillionMqttInputs_NoCrashNoAllocation() => Run("mqtt", 10_000_000);

    private static void Run(string name, long count)
    {
        var target = FuzzTarget.All().Single(t => t.Name == name);
        var mutator = new Mutator(target, 20_240_601);
        mutator.Run(1000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            mutator.Run(count);
        }
        catch (InvalidOperationException e)
        {
            Assert.Fail($"{e.Message}: {Convert.ToHexString(mutator.Last)}");
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, AllocationBound);
    }
}
