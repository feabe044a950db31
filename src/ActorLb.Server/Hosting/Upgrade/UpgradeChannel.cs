using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Sticky.Map;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>
/// Two pipes between the process that goes and the one that comes. Each message is its length (32 bits, little endian) and that many bytes:
/// JSON, or entries of the sticky map as they lie in memory, which both processes share the layout of: they run on one machine.
/// </summary>
internal sealed class UpgradeChannel(Stream input, Stream output) : IAsyncDisposable
{
    /// <summary>A node with thousands of backends stays far below.</summary>
    private const int MaxLength = 64 << 20;

    public async Task SendAsync<T>(T message, JsonTypeInfo<T> type, CancellationToken cancel) =>
        await WriteAsync(JsonSerializer.SerializeToUtf8Bytes(message, type), cancel);

    /// <exception cref="IOException">The other process has gone, or says what this one does not understand.</exception>
    public async Task<T> ReceiveAsync<T>(JsonTypeInfo<T> type, CancellationToken cancel)
    {
        byte[] bytes = await ReadAsync(cancel);
        try
        {
            return JsonSerializer.Deserialize(bytes, type) ?? throw new IOException("the other process sends nothing");
        }
        catch (JsonException e)
        {
            throw new IOException($"the other process sends what is no {typeof(T).Name}", e);
        }
    }

    /// <summary>Entries, a part at a time; an empty message ends them.</summary>
    public async Task SendEntriesAsync(IEnumerable<MapEntry[]> parts, CancellationToken cancel)
    {
        foreach (MapEntry[] part in parts)
        {
            if (part.Length > 0) await WriteAsync(MemoryMarshal.AsBytes(part.AsSpan()).ToArray(), cancel);
        }
        await WriteAsync([], cancel);
    }

    public async Task ReceiveEntriesAsync(Action<ReadOnlySpan<MapEntry>> take, CancellationToken cancel)
    {
        while (await ReadAsync(cancel) is { Length: > 0 } bytes) take(MemoryMarshal.Cast<byte, MapEntry>(bytes.AsSpan()));
    }

    public async ValueTask DisposeAsync()
    {
        await input.DisposeAsync();
        await output.DisposeAsync();
    }

    private async Task WriteAsync(byte[] bytes, CancellationToken cancel)
    {
        byte[] length = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        await output.WriteAsync(length, cancel);
        await output.WriteAsync(bytes, cancel);
        await output.FlushAsync(cancel);
    }

    private async Task<byte[]> ReadAsync(CancellationToken cancel)
    {
        try
        {
            byte[] header = new byte[sizeof(int)];
            await input.ReadExactlyAsync(header, cancel);
            int length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length is < 0 or > MaxLength) throw new IOException($"the other process sends a message of {length} bytes");
            byte[] bytes = new byte[length];
            await input.ReadExactlyAsync(bytes, cancel);
            return bytes;
        }
        catch (EndOfStreamException e)
        {
            throw new IOException("the other process has ended", e);
        }
    }
}
