using System.Globalization;
using Akka.Cluster.Sharding;

namespace ActorLb.Fleet.Sharding;

/// <summary>One entity per shard, both named by the shard's number.</summary>
internal sealed class ShardExtractor(int shards) : IMessageExtractor
{
    private readonly string[] _names = [.. Enumerable.Range(0, shards).Select(i => i.ToString(CultureInfo.InvariantCulture))];

    public static int NumberOf(string name) => int.Parse(name, CultureInfo.InvariantCulture);

    public string? EntityId(object message) => message is OpenShard open && (uint)open.Shard < (uint)_names.Length ? _names[open.Shard] : null;

    public object EntityMessage(object message) => message;

    public string? ShardId(object message) => EntityId(message);

    public string ShardId(string entityId, object? messageHint = null) => entityId;
}
