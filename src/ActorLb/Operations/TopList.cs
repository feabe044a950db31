using ActorLb.Protocol.Admin;

namespace ActorLb.Operations;

/// <summary>What a top list is ranked by.</summary>
internal enum TopBy : byte { Bytes = 0, Packets = 1, Connects = 2 }

internal static class TopBys
{
    public const string Names = "bytes, packets, connects";

    public static TopBy? TryParse(string text) => text switch
    {
        "bytes" => TopBy.Bytes,
        "packets" => TopBy.Packets,
        "connects" => TopBy.Connects,
        _ => null,
    };

    public static string NameOf(TopBy by) => by switch { TopBy.Bytes => "bytes", TopBy.Packets => "packets", _ => "connects" };

    /// <summary>Sums one client's CONNECTs over several reactors or nodes.</summary>
    public static TopClient[] Sum(IEnumerable<TopClient> parts, int limit)
    {
        var top = new TopList<TopClient>(limit);
        foreach (var client in parts.GroupBy(p => p.ClientId, StringComparer.Ordinal))
        {
            long value = client.Sum(p => p.Value);
            top.Add(value, new TopClient(client.Key, value, [.. client.SelectMany(p => p.Nodes).Distinct(StringComparer.Ordinal)], null));
        }
        return [.. top.Items];
    }
}

/// <summary>Collects the largest items, never keeping more than the limit.</summary>
internal sealed class TopList<T>(int limit)
{
    private readonly PriorityQueue<T, long> _kept = new(limit + 1);

    /// <summary>Largest first.</summary>
    public IReadOnlyList<T> Items => [.. _kept.UnorderedItems.OrderByDescending(i => i.Priority).Select(i => i.Element)];

    /// <summary>Whether an item of this value would be kept.</summary>
    public bool Admits(long value) => _kept.Count < limit || (_kept.TryPeek(out _, out long least) && value > least);

    public void Add(long value, T item)
    {
        if (!Admits(value)) return;
        _kept.Enqueue(item, value);
        if (_kept.Count > limit) _kept.Dequeue();
    }
}
