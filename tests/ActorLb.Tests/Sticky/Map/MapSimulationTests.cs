using ActorLb.Sticky;
using ActorLb.Tests.Sticky.Map.Simulation;

namespace ActorLb.Tests.Sticky.Map;

public sealed class MapSimulationTests(ITestOutputHelper output)
{
    [Fact]
    public void Fleet_FewSeeds_KeepsEveryRule() => Run(1, 30);

    [Fact]
    [Trait("speed", "slow")]
    public void Fleet_ManySeeds_KeepsEveryRule()
    {
        // For manual runs, SIMULATION_SEEDS=first:count selects other seeds, or more.
        string[]? wish = Environment.GetEnvironmentVariable("SIMULATION_SEEDS")?.Split(':');
        Run(wish is null ? 1000 : int.Parse(wish[0]), wish is null ? 500 : int.Parse(wish[1]));
    }

    [Fact]
    public void NoEpochCheck_IsCaught() => Assert.True(FirstCaught(Variant.NoEpochCheck) > 0);

    [Fact]
    public void NoEpochCheck_IsCaughtByTheRuleOfStaleMessages() => Assert.True(FirstCaught(Variant.NoEpochCheck, "(stale)") > 0);

    [Fact]
    public void ServesWithoutActor_IsCaught() => Assert.True(FirstCaught(Variant.ServesWithoutActor) > 0);

    [Fact]
    public void WrongChange_IsCaught() => Assert.True(FirstCaught(Variant.WrongChange, "rule 5") > 0);

    [Fact]
    public void SameSeed_SameRun()
    {
        var first = Simulation.Simulation.Run(77);
        var second = Simulation.Simulation.Run(77);

        Assert.Equal((first.Answers, first.HandOffs, first.WorldEvents), (second.Answers, second.HandOffs, second.WorldEvents));
    }

    private void Run(int first, int count)
    {
        var outcomes = new Dictionary<StickyOutcome, long>();
        long answers = 0;
        long handOffs = 0;
        long evicted = 0;
        var failures = new List<string>();
        var events = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int seed = first; seed < first + count; seed++)
        {
            SimulationResult result;
            try
            {
                result = Simulation.Simulation.Run(seed);
            }
            catch (InvariantException e)
            {
                failures.Add(e.Message);
                continue;
            }

            answers += result.Answers;
            handOffs += result.HandOffs;
            evicted += result.Evicted;
            foreach (var (what, n) in result.Events)
            {
                events[what] = events.GetValueOrDefault(what) + n;
            }

            foreach (var (outcome, n) in result.Outcomes)
            {
                outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + n;
            }
        }

        output.WriteLine($"{answers} answers ({string.Join(", ", outcomes.OrderBy(o => o.Key).Select(o => $"{o.Key} {o.Value}"))}), {handOffs} hand-offs");
        output.WriteLine($"{evicted} entries pushed out; {string.Join(", ", events.Select(e => $"{e.Key} {e.Value}"))}");
        Assert.True(failures.Count == 0, $"{failures.Count} of {count} seeds: {string.Join(Environment.NewLine, failures.Select(f => f.Split('\n')[0]))}{Environment.NewLine}{failures.FirstOrDefault()}");
        Assert.All(Enum.GetValues<StickyOutcome>(), o => Assert.True(outcomes.GetValueOrDefault(o) > 0, $"no answer was {o}"));
        Assert.True(handOffs > 0 && evicted > 0);
        Assert.True(count < 100 || events.Count == 19, $"only these happened: {string.Join(", ", events.Keys)}");
    }

    /// <summary>The number of seeds until a check failed; 0 if none did.</summary>
    private int FirstCaught(Variant variant, string by = "")
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            try
            {
                Simulation.Simulation.Run(seed, variant);
            }
            catch (InvariantException e) when (e.Message.Contains(by, StringComparison.Ordinal))
            {
                output.WriteLine(e.Message.Split('\n')[0]);
                return seed;
            }
            catch (InvariantException)
            {
                // Another check failed first.
            }
        }

        return 0;
    }
}
