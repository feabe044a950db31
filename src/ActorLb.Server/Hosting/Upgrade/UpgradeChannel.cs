using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Sticky.Map;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>
/// Two pipes between the old and the new process. Each message is its length (32 bits, little endian) and that many bytes:
/// JSON, or entries of the sticky map in their memory layout, which both processes share since they run on one machine.
/// </summary>
internal sealed class UpgradeChannel(Stream input, Stream output) : IAsyncDisposable
{
    /// <summary>Far above what a node with thousands of backends needs.</summary>
    private const int MaxLength = 64 << 20;

    public async Task SendAsync<T>(T message, JsonTypeInfo<T> type, CancellationToken cancel) =>
        await WriteAsync(JsonSerializer.SerializeToUtf8Bytes(message, type), cancel);

    /// <exception cref="IOException">The other process is gone, or its message cannot be understood.</exception>
    public async Task<T> ReceiveAsync<T>(JsonTypeInfo<T> type, CancellationToken cancel)
    {
        byte[] bytes = await ReadAsync(cancel);
        try
        {
            return JsonSerializer.Deserialize(bytes, type) ?? throw new IOException("the other process sent an empty message");
        }
        catch (JsonException e)
        {
            throw new IOException($"the other process sent something other than {typeof(T).Name}", e);
        }
    }

    /// <summary>Entries, in parts; an empty message ends them.</summary>
    public async Task SendEntriesAsync(IEnumerable<MapEntry[]> parts, CancellationToken cancel)
    {
        foreach (var part in parts)
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
        try
        {
            await output.WriteAsync(length, cancel);
            await output.WriteAsync(bytes, cancel);
            await output.FlushAsync(cancel);
        }
        catch (IOException e)
        {
            throw new IOException("the other process has ended", e);
        }
    }

    private async Task<byte[]> ReadAsync(CancellationToken cancel)
    {
        try
        {
            byte[] header = new byte[sizeof(int)];
            await input.ReadExactlyAsync(header, cancel);
            int length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length is < 0 or > MaxLength) throw new IOException($"the other process sent a message of {length} bytes");
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
