using System.Text;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Mqtt.Client;

namespace ActorLb.Server.Bench;

/// <summary>
/// One MQTT client: connects, then sends from any thread and receives on one. Failures are exceptions that
/// <see cref="BenchFailure.ReasonOf"/> can name.
/// </summary>
internal sealed class BenchClient : IAsyncDisposable
{
    private readonly BenchTarget _target;
    private readonly Stream _stream;
    private readonly int _maxPacketSize;

    /// <summary>Publisher and receiver both write; held for one packet at a time.</summary>
    private readonly SemaphoreSlim _writing = new(1, 1);

    /// <summary>Received and not yet taken; owned by the one receiver.</summary>
    private byte[] _buffer = new byte[256];
    private int _start;
    private int _end;

    private BenchClient(BenchTarget target, int number, Stream stream, int maxPacketSize)
    {
        _target = target;
        _stream = stream;
        _maxPacketSize = maxPacketSize;
        Number = number;
    }

    public int Number { get; }

    public MqttVersion Version => _target.Version;

    /// <summary>Opens the transport, sends CONNECT and waits for an accepting CONNACK.</summary>
    /// <param name="maxPacketSize">Largest packet taken from the broker, in bytes.</param>
    public static async Task<BenchClient> ConnectAsync(
        BenchTarget target, BenchTransport transport, int number, int maxPacketSize, TimeProvider time, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(target.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        BenchClient? client = null;
        try
        {
            client = new BenchClient(target, number, await transport.OpenAsync(either.Token), maxPacketSize);
            await client._stream.WriteAsync(client.ConnectPacket(), either.Token);
            await client.ReceiveConnackAsync(either.Token);
            return client;
        }
        catch (Exception exception)
        {
            if (client is not null) await client.DisposeAsync();
            if (deadline.IsCancellationRequested && !cancellation.IsCancellationRequested) throw new BenchFailure("no CONNACK in time");
            if (exception is EndOfStreamException) throw new BenchFailure("closed before CONNACK");
            throw;
        }
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> packet, CancellationToken cancellation)
    {
        await _writing.WaitAsync(cancellation);
        try
        {
            await _stream.WriteAsync(packet, cancellation);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <returns>The next whole packet; valid until the next call.</returns>
    /// <exception cref="EndOfStreamException">The broker closed.</exception>
    public async ValueTask<ReceivedPacket> ReceiveAsync(CancellationToken cancellation)
    {
        for (;;)
        {
            ReadStatus status = PacketReader.ReadHeader(_buffer.AsSpan(_start, _end - _start), _maxPacketSize, out PacketHeader header);
            if (status == ReadStatus.Invalid) throw new BenchFailure("malformed packet from the broker");
            if (status == ReadStatus.Done)
            {
                var packet = new ReceivedPacket(header, _buffer.AsMemory(_start, header.TotalLength));
                _start += header.TotalLength;
                if (header.Type == PacketType.Disconnect) throw new BenchFailure(Describe(packet));
                return packet;
            }
            await FillAsync(header.TotalLength, cancellation);
        }
    }

    /// <summary>A clean end as far as the connection still allows one.</summary>
    public async Task DisconnectAsync(CancellationToken cancellation)
    {
        try
        {
            await SendAsync(Disconnect.Clean.ToArray(), cancellation);
        }
        catch (Exception exception) when (BenchFailure.ReasonOf(exception) is not null || exception is OperationCanceledException)
        {
            // It is being closed anyway.
        }
        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _stream.DisposeAsync();
        }
        catch (Exception exception) when (BenchFailure.ReasonOf(exception) is not null)
        {
            // The other side was faster.
        }
    }

    private async ValueTask FillAsync(int needed, CancellationToken cancellation)
    {
        int held = _end - _start;
        if (_start > 0)
        {
            _buffer.AsSpan(_start, held).CopyTo(_buffer);
            (_start, _end) = (0, held);
        }
        if (needed > _buffer.Length || _end == _buffer.Length) Array.Resize(ref _buffer, Math.Max(needed, 2 * _buffer.Length));
        int count = await _stream.ReadAsync(_buffer.AsMemory(_end), cancellation);
        if (count == 0) throw new EndOfStreamException("connection closed by the broker");
        _end += count;
    }

    private async Task ReceiveConnackAsync(CancellationToken cancellation)
    {
        for (;;)
        {
            ConnackStatus status = ConnackReader.Read(
                _buffer.AsSpan(_start, _end - _start), Version, _maxPacketSize, out ConnackPacket connack, out ConnackError error);
            switch (status)
            {
                case ConnackStatus.Done when connack.IsAccepted:
                    _start += connack.TotalLength;
                    return;
                case ConnackStatus.Done:
                    throw new BenchFailure(BenchFailure.Refusal(Version, connack.Code));
                case ConnackStatus.NeedMore:
                    await FillAsync(connack.TotalLength, cancellation);
                    break;
                default:
                    throw new BenchFailure(
                        $"malformed answer to CONNECT: {(status == ConnackStatus.Auth ? "AUTH unasked for" : error.ToString())}");
            }
        }
    }

    private byte[] ConnectPacket()
    {
        var request = new ConnectRequest
        {
            Version = Version,
            CleanStart = true,
            KeepAlive = _target.KeepAlive,
            ClientId = Encoding.UTF8.GetBytes(_target.ClientIdPrefix + Number),
            HasUserName = _target.UserName is not null,
            UserName = Encoding.UTF8.GetBytes(_target.UserName ?? ""),
            HasPassword = _target.Password is not null,
            Password = Encoding.UTF8.GetBytes(_target.Password ?? ""),
        };
        var packet = new byte[ConnectWriter.LengthOf(request)];
        ConnectWriter.Write(packet, request);
        return packet;
    }

    private static string Describe(in ReceivedPacket disconnect)
    {
        ReadOnlySpan<byte> bytes = disconnect.Bytes.Span;
        byte reason = bytes.Length > 2 ? bytes[2] : (byte)0;
        return $"DISCONNECT 0x{reason:X2} from the broker";
    }
}

/// <summary>A whole packet in a client's buffer.</summary>
internal readonly record struct ReceivedPacket(PacketHeader Header, ReadOnlyMemory<byte> Bytes);
