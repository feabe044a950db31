using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Server;

/// <summary>A collector of OTLP in the test process, over HTTP or gRPC, that keeps what it gets.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpCollector(WebApplication app) => _app = app;

    public IPEndPoint Address { get; private set; } = null!;

    public ConcurrentQueue<(string Path, byte[] Message, string? Token)> Requests { get; } = new();

    public static async Task<OtlpCollector> StartAsync(bool grpc = false, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, port, l => l.Protocols = grpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        var collector = new OtlpCollector(builder.Build());
        collector._app.Run(context => collector.TakeAsync(context, grpc));
        await collector._app.StartAsync();
        string address = collector._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        collector.Address = new IPEndPoint(IPAddress.Loopback, new Uri(address).Port);
        return collector;
    }

    public IEnumerable<ProtobufMessage> Messages(string signal) =>
        Requests.Where(r => r.Path.Contains(signal, StringComparison.OrdinalIgnoreCase)).Select(r => new ProtobufMessage(r.Message));

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context, bool grpc)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        byte[] message = body.ToArray();
        if (grpc)
        {
            Assert.Equal("application/grpc", context.Request.ContentType);
            Assert.Equal((0, message.Length - 5), (message[0], BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(1))));
            message = message[5..];
            context.Response.ContentType = "application/grpc";
            context.Response.DeclareTrailer("grpc-status");
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        }
        else
        {
            Assert.Equal("application/x-protobuf", context.Request.ContentType);
        }
        Requests.Enqueue((context.Request.Path, message, context.Request.Headers["X-Token"]));
    }
}

/// <summary>The fields of a message of Protocol Buffers, by number.</summary>
internal sealed class ProtobufMessage
{
    private readonly List<(int Field, ulong Number, byte[]? Bytes)> _fields = [];

    public ProtobufMessage(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            ulong tag = Varint(ref bytes);
            switch (tag & 7)
            {
                case 0:
                    _fields.Add(((int)(tag >> 3), Varint(ref bytes), null));
                    break;
                case 1:
                    _fields.Add(((int)(tag >> 3), BinaryPrimitives.ReadUInt64LittleEndian(bytes), null));
                    bytes = bytes[8..];
                    break;
                case 2:
                    int length = (int)Varint(ref bytes);
                    _fields.Add(((int)(tag >> 3), 0, bytes[..length].ToArray()));
                    bytes = bytes[length..];
                    break;
                default:
                    throw new InvalidDataException($"wire type {tag & 7}");
            }
        }
    }

    public IEnumerable<ProtobufMessage> All(params int[] path) =>
        path.Aggregate((IEnumerable<ProtobufMessage>)[this], (found, field) => found.SelectMany(m => m._fields.Where(f => f.Field == field).Select(f => new ProtobufMessage(f.Bytes))));

    public byte[] Bytes(int field) => _fields.Single(f => f.Field == field).Bytes!;

    public string Text(int field) => Encoding.UTF8.GetString(Bytes(field));

    public ulong Number(int field) => _fields.Where(f => f.Field == field).Select(f => f.Number).SingleOrDefault();

    public double Double(int field) => BitConverter.UInt64BitsToDouble(Number(field));

    public bool Has(int field) => _fields.Any(f => f.Field == field);

    public ulong[] Packed(int field) => [.. Bytes(field).Chunk(8).Select(c => BinaryPrimitives.ReadUInt64LittleEndian(c))];

    /// <summary>Attributes of a field, texts and whole numbers alike.</summary>
    public Dictionary<string, string> Attributes(int field) => All(field).ToDictionary(
        a => a.Text(1), a => a.All(2).Single() is var value && value.Has(1) ? value.Text(1) : $"{value.Number(3)}");

    private static ulong Varint(ref ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = 0; ; i++)
        {
            byte b = bytes[0];
            bytes = bytes[1..];
            value |= (ulong)(b & 0x7F) << (7 * i);
            if (b < 0x80) return value;
        }
    }
}
