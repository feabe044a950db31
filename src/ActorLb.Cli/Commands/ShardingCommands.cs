using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm cluster-sharding</c>: which node holds which part of the sticky map.</summary>
internal static class ShardingCommands
{
    public static Command Create(Verb verb)
    {
        var node = new Option<string?>("--node") { Description = "only the shards that this node holds", HelpName = "N" };
        return new Command("cluster-sharding", "Shards of the sticky map")
        {
            verb.Create("regions", "Count the shards of each node", RegionsAsync),
            verb.Create("shards", "List the shards; neighbours with the same owner and replica are grouped", (call, cancel) => ShardsAsync(call, node, cancel), node),
            verb.Create("stats", "Show what this node's shards hold", StatsAsync),
            verb.Create("rebalance", "Show how many shards are being handed over; the coordinator balances them by itself", async (call, cancel) => ClusterCommands.Done(
                call, await call.Client.PostAsync("cluster-sharding/rebalance", AdminJson.Wire.Done, cancel))),
        };
    }

    private static async Task RegionsAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("cluster-sharding/regions", AdminJson.Wire.ShardRegions, cancel), (regions, screen) => screen.Table(
            ["node", "address", ">owned", ">replicas", ">incoming", ">entries"],
            regions.Regions.Select(r => new[]
            {
                Printable.Of(r.Node), Printable.Of(r.Address), Printable.Of(r.Owned), Printable.Of(r.Replicas), Printable.Of(r.Incoming),
                r.Entries is { } entries ? Printable.Of(entries) : "-",
            })));

    private static async Task ShardsAsync(Call call, Option<string?> node, CancellationToken cancel)
    {
        string path = call.Parsed.GetValue(node) is { } name ? $"cluster-sharding/shards?node={Call.Escape(name)}" : "cluster-sharding/shards";
        call.Show(await call.Client.GetAsync(path, AdminJson.Wire.ShardList, cancel), (list, screen) => screen.Table(
            ["shards", "owner", "replica", "next", ">entries"], Runs(list.Shards)));
    }

    private static async Task StatsAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("cluster-sharding/stats", AdminJson.Wire.ShardingStats, cancel), (s, screen) => screen.Facts(
            ("node", Printable.Of(s.Node)), ("shards", Printable.Of(s.Shards)), ("owned", Printable.Of(s.Owned)),
            ("replicas", Printable.Of(s.Replicas)), ("moving", Printable.Of(s.Moving)), ("entries", Printable.Of(s.Entries)),
            ("per shard", $"{Printable.Of(s.Smallest)} to {Printable.Of(s.Largest)} entries")));

    /// <summary>Runs of equal neighbours are easier to read than one line per shard.</summary>
    internal static IEnumerable<string[]> Runs(ShardInfo[] shards)
    {
        for (int first = 0, end; first < shards.Length; first = end)
        {
            var head = shards[first];
            end = first + 1;
            while (end < shards.Length && shards[end].Shard == shards[end - 1].Shard + 1
                && (shards[end].Owner, shards[end].Replica, shards[end].Next) == (head.Owner, head.Replica, head.Next))
            {
                end++;
            }

            int?[] entries = [.. shards[first..end].Select(s => s.Entries)];
            yield return
            [
                end - first == 1 ? $"{head.Shard}" : $"{head.Shard}-{shards[end - 1].Shard}", Printable.Of(head.Owner), Printable.Of(head.Replica),
                Printable.Of(head.Next), entries.All(e => e is null) ? "-" : Printable.Of(entries.Sum(e => (long)(e ?? 0))),
            ];
        }
    }
}
