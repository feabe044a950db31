using System.Text.Json.Serialization;

namespace ActorLb.Discovery.Emqx;

/// <summary>An element of <c>GET /api/v5/nodes</c>.</summary>
/// <param name="Name">"emqx@10.0.0.1".</param>
/// <param name="Status">"running" or "stopped".</param>
internal sealed record EmqxNode(
    [property: JsonPropertyName("node")] string? Name,
    [property: JsonPropertyName("node_status")] string? Status);

/// <summary><c>GET /api/v5/load_rebalance/global_status</c>.</summary>
/// <param name="Purges">Nodes that end all of their sessions, and accept no clients meanwhile.</param>
internal sealed record EmqxStatus(
    [property: JsonPropertyName("evacuations")] EmqxProcess?[]? Evacuations,
    [property: JsonPropertyName("rebalances")] EmqxProcess?[]? Rebalances,
    [property: JsonPropertyName("purges")] EmqxProcess?[]? Purges);

/// <param name="Node">The node being evacuated, or the coordinator of a rebalance.</param>
/// <param name="State">"wait_health_check", "evicting_conns" and others.</param>
/// <param name="Donors">For a rebalance: the nodes whose clients are sent away.</param>
internal sealed record EmqxProcess(
    [property: JsonPropertyName("node")] string? Node,
    [property: JsonPropertyName("state")] string? State,
    [property: JsonPropertyName("donors")] string?[]? Donors);

/// <summary><c>GET /api/v5/clients</c>: a page of all clients, including those with only a session.</summary>
internal sealed record EmqxClientPage(
    [property: JsonPropertyName("data")] EmqxClient?[]? Data,
    [property: JsonPropertyName("meta")] EmqxPageMeta? Meta);

internal sealed record EmqxClient(
    [property: JsonPropertyName("clientid")] string? ClientId,
    [property: JsonPropertyName("node")] string? Node);

/// <param name="HasNext">Absent in early versions.</param>
internal sealed record EmqxPageMeta([property: JsonPropertyName("hasnext")] bool? HasNext);

/// <summary>The parts of EMQX's answers that are used; the rest, which differs between versions, is ignored.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata, MaxDepth = 16)]
[JsonSerializable(typeof(EmqxNode[]))]
[JsonSerializable(typeof(EmqxStatus))]
[JsonSerializable(typeof(EmqxClientPage))]
internal sealed partial class EmqxJson : JsonSerializerContext;
