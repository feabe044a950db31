using System.Text.Json;
using System.Text.Json.Serialization;

namespace ActorLb.Cluster;

/// <summary>A node's registration in the store, under a lease: <c>nodes/&lt;name&gt;</c>.</summary>
/// <param name="Incarnation">Random, drawn at the start of the process.</param>
/// <param name="Weight">Share of shards relative to the others'.</param>
/// <param name="MaxEpoch">Highest epoch the node adopted: after the store was wiped or restored the epoch goes on above it.</param>
/// <param name="Leaving">A planned leave: the coordinator takes its shards away.</param>
internal sealed record Member(
    string Name, ulong Incarnation, string Address, string? Zone, int Weight, ulong MaxEpoch, bool Leaving)
{
    [JsonIgnore]
    public PeerId Id => new(Name, Incarnation);
}

/// <summary>Who coordinates: <c>coord</c>, under the holder's lease.</summary>
internal sealed record CoordinatorSeat(string Name, ulong Incarnation)
{
    [JsonIgnore]
    public PeerId Id => new(Name, Incarnation);
}

/// <summary>A backend as the fleet knows it: <c>backends/&lt;pool&gt;/&lt;id&gt;</c>. Survives restarts of everything but the store.</summary>
/// <param name="Weight">An operator's weight; null leaves the configured one.</param>
/// <param name="State">"up", "drain", "down", or "removed": a tombstone that keeps the slot's generation.</param>
/// <param name="Revision">Grows with every change, so that the newer of two records is known after the store was restored.</param>
/// <param name="Deadline">When a drain ends; null for one without an end, and in every other state.</param>
internal sealed record BackendRecord(
    ushort Slot, ushort Gen, string Address, int? Weight, string State, uint Revision, DrainDeadline? Deadline = null);

/// <summary>The end of a drain: its clients are placed anew. Every node counts for itself from when it heard of the order.</summary>
/// <param name="Ordered">Revision of the record with which the drain was ordered: another order counts anew.</param>
internal sealed record DrainDeadline(uint Seconds, uint Ordered);

[JsonSerializable(typeof(Member))]
[JsonSerializable(typeof(CoordinatorSeat))]
[JsonSerializable(typeof(BackendRecord))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class StoreJson : JsonSerializerContext
{
    public static byte[] Write(Member value) => JsonSerializer.SerializeToUtf8Bytes(value, Default.Member);

    public static byte[] Write(CoordinatorSeat value) => JsonSerializer.SerializeToUtf8Bytes(value, Default.CoordinatorSeat);

    public static byte[] Write(BackendRecord value) => JsonSerializer.SerializeToUtf8Bytes(value, Default.BackendRecord);

    /// <summary>Null when the value is not such a record: someone else wrote it.</summary>
    public static Member? ReadMember(ReadOnlySpan<byte> value) => Valid(Read(value, Default.Member), m => m.Name, m => m.Address);

    public static CoordinatorSeat? ReadSeat(ReadOnlySpan<byte> value) => Valid(Read(value, Default.CoordinatorSeat), s => s.Name);

    public static BackendRecord? ReadBackend(ReadOnlySpan<byte> value) =>
        Valid(Read(value, Default.BackendRecord), b => b.Address, b => b.State);

    private static T? Read<T>(ReadOnlySpan<byte> value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(value, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>A missing text reads as null whatever the declaration says.</summary>
    private static T? Valid<T>(T? value, params ReadOnlySpan<Func<T, string?>> texts)
        where T : class
    {
        if (value is null)
        {
            return null;
        }

        foreach (var text in texts)
        {
            if (string.IsNullOrEmpty(text(value)))
            {
                return null;
            }
        }

        return value;
    }
}
