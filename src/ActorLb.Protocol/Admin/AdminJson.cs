using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ActorLb.Protocol.Text;

namespace ActorLb.Protocol.Admin;

/// <summary>The JSON of the admin API, source-generated: camelCase, missing values written as null.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(AdminError))]
[JsonSerializable(typeof(NodeInfo))]
[JsonSerializable(typeof(NodeDrainRequest))]
[JsonSerializable(typeof(NodeDrain))]
[JsonSerializable(typeof(NodeLogLevel))]
[JsonSerializable(typeof(ConfigCheck))]
[JsonSerializable(typeof(ConfigReload))]
[JsonSerializable(typeof(ConfigText))]
[JsonSerializable(typeof(CertificateList))]
[JsonSerializable(typeof(ListenerInfo))]
[JsonSerializable(typeof(ListenerList))]
[JsonSerializable(typeof(PoolList))]
[JsonSerializable(typeof(PoolInfo))]
[JsonSerializable(typeof(BackendInfo))]
[JsonSerializable(typeof(BackendAdd))]
[JsonSerializable(typeof(BackendAdded))]
[JsonSerializable(typeof(BackendDrain))]
[JsonSerializable(typeof(PoolRebalance))]
[JsonSerializable(typeof(BackendWeight))]
[JsonSerializable(typeof(StickyEntries))]
[JsonSerializable(typeof(StickyBackend))]
[JsonSerializable(typeof(StickyFlush))]
[JsonSerializable(typeof(StickyStats))]
[JsonSerializable(typeof(BanRequest))]
[JsonSerializable(typeof(BanInfo))]
[JsonSerializable(typeof(BanPage))]
[JsonSerializable(typeof(SessionPage))]
[JsonSerializable(typeof(SessionKick))]
[JsonSerializable(typeof(SessionCount))]
[JsonSerializable(typeof(SessionTop))]
[JsonSerializable(typeof(ClusterMembers))]
[JsonSerializable(typeof(ClusterStatus))]
[JsonSerializable(typeof(ClusterNodeRequest))]
[JsonSerializable(typeof(Done))]
[JsonSerializable(typeof(NodeEvent))]
[JsonSerializable(typeof(ShardRegions))]
[JsonSerializable(typeof(ShardList))]
[JsonSerializable(typeof(ShardingStats))]
[JsonSerializable(typeof(ActorList))]
[JsonSerializable(typeof(NodeStatistics))]
[JsonSerializable(typeof(NodeHistoryInfo))]
[JsonSerializable(typeof(FleetStatistics))]
[JsonSerializable(typeof(FleetHistory))]
public sealed partial class AdminJson : JsonSerializerContext
{
    /// <summary>What both sides write and clients read; unknown members (of a newer node) are ignored. It is meant for terminals and
    /// programs, never for embedding in HTML: only what JSON requires is escaped, so that text stays legible.</summary>
    public static AdminJson Wire { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new TimeConverter() },
    });

    /// <summary>What a node reads: a misspelt or missing member is an error rather than a default.</summary>
    public static AdminJson Requests { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        MaxDepth = 8,
    });
}
