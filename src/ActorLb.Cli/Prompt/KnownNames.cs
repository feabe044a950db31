using ActorLb.Cli.Commands;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Prompt;

/// <summary>Names that the node knows, for completion: fetched on demand and cached for some seconds. Empty when the node does not
/// answer.</summary>
internal sealed class KnownNames(AdminClient client, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    /// <summary>Completion must not make the user wait.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, (long At, IReadOnlyList<string> Names)> _kept = new(StringComparer.Ordinal);

    /// <param name="place">Name of an argument or of an option's value.</param>
    public async Task<IReadOnlyList<string>> OfAsync(string place)
    {
        if (place == "LEVEL") return NodeCommands.LogLevels;
        if (place is "FILE" or "F") return [];
        if (_kept.TryGetValue(place, out var kept) && time.GetElapsedTime(kept.At) < Fresh) return kept.Names;
        using var deadline = new CancellationTokenSource(Patience);
        IReadOnlyList<string> names;
        try
        {
            names = place switch
            {
                "POOL" or "P" => [.. (await client.GetAsync("pools", AdminJson.Wire.PoolList, deadline.Token)).Value.Pools.Select(p => p.Name)],
                "B" => await BackendsAsync(deadline.Token),
                "TARGET" => [.. await BackendsAsync(deadline.Token), .. (await client.GetAsync("pools", AdminJson.Wire.PoolList, deadline.Token)).Value.Pools.Select(p => p.Name)],
                "LISTENER" => [.. (await client.GetAsync("listeners", AdminJson.Wire.ListenerList, deadline.Token)).Value.Listeners.Select(l => l.Name)],
                "NODE" => [.. (await client.GetAsync("cluster", AdminJson.Wire.ClusterMembers, deadline.Token)).Value.Members.Select(m => m.Name)],
                _ => [],
            };
        }
        catch (Exception e) when (e is UnreachableException or RefusedException or OperationCanceledException)
        {
            return [];
        }
        _kept[place] = (time.GetTimestamp(), names);
        return names;
    }

    /// <summary>With its pool only where the backend alone is ambiguous.</summary>
    private async Task<IReadOnlyList<string>> BackendsAsync(CancellationToken cancel)
    {
        var found = new List<(string Pool, string Id)>();
        foreach (var pool in (await client.GetAsync("pools", AdminJson.Wire.PoolList, cancel)).Value.Pools)
        {
            var info = (await client.GetAsync($"pools/{Call.Escape(pool.Name)}", AdminJson.Wire.PoolInfo, cancel)).Value;
            found.AddRange(info.Backends.Select(b => (b.Pool, b.Backend)));
        }
        return [.. found.GroupBy(f => f.Id).SelectMany(g => g.Count() == 1 ? [g.Key] : g.Select(f => $"{f.Pool}/{f.Id}"))];
    }
}
