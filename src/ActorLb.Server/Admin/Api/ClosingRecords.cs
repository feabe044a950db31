using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;

namespace ActorLb.Server.Admin.Api;

/// <summary>Drains and rebalances with a rate as records of the API.</summary>
internal static class ClosingRecords
{
    public static ClosingInfo? OfDrain(Node node, Pool pool, Backend backend) => node.ProgressOf(pool, backend) is { } progress ? Of(progress) : null;

    public static ClosingInfo? OfRebalance(Node node, Pool pool) => node.ProgressOf(pool) is { } progress ? Of(progress) : null;

    private static ClosingInfo Of(ClosingProgress progress) => new(
        progress.State, progress.Rate, progress.Started, progress.Closed, progress.Left, progress.Remaining?.TotalSeconds);
}
