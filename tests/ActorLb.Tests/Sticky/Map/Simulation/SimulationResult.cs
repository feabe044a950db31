using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <param name="Events">How often each kind of disturbance happened.</param>
internal sealed record SimulationResult(
    long Answers, IReadOnlyDictionary<StickyOutcome, long> Outcomes, long HandOffs, long Evicted, long WorldEvents, IReadOnlyDictionary<string, int> Events);
