using System.Security.Cryptography;
using System.Text;
using ActorLb.Protocol;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Health;

/// <summary>A probe's WebSocket: writes are sent as masked frames, reads return the payload of the peer's frames.</summary>
internal sealed class ProbeWebSocket : Stream
{
    /// <summary>The frames of a probe are a few bytes long; a control frame and a head fit too.</summary>
    private const int BufferSize = 16 * 1024;

    private readonly Stream _inner;
    private readonly byte[] _buffer = new byte[BufferSize];
    private FrameReader _reader = new(FrameSender.Server, maxFrameSize: BufferSize);
    private int _start, _end;
    private ReadOnlyMemory<byte> _payload;
    private bool _closeSent;

    private ProbeWebSocket(Stream inner) => _inner = inner;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Asks for the upgrade, RFC 6455 section 4.1.</summary>
    /// <returns>The WebSocket, or null with the verdict on a peer that refuses.</returns>
    public static async ValueTask<(ProbeWebSocket? Socket, ProbeResult Result)> UpgradeAsync(
        Stream inner, string host, string path, CancellationToken cancel)
    {
        byte[] key = new byte[AcceptKey.KeyLength];
        AcceptKey.WriteKey(RandomNumberGenerator.GetBytes(AcceptKey.NonceLength), key);
        await inner.WriteAsync(Request(host, path, key), cancel).ConfigureAwait(false);
        ProbeWebSocket socket = new(inner);
        while (true)
        {
            int read = await socket.FillAsync(cancel).ConfigureAwait(false);
            var status = UpgradeResponseReader.Read(
                socket._buffer.AsSpan(0, socket._end), key, MqttSubprotocol.Mqtt, out int length, out int code, out var error);
            if (status == ReadStatus.Done)
            {
                socket._start = length;
                return (socket, ProbeResult.Ok);
            }

            if (status == ReadStatus.Invalid)
            {
                return (null, code is 0 or 101 ? ProbeResult.Failed($"upgrade: {error.Text()}") : HttpProbe.OfStatus(code));
            }

            if (read == 0)
            {
                return (null, ProbeResult.Failed("closed without an answer to the upgrade"));
            }
        }
    }

    /// <summary>The closing handshake, RFC 6455 section 7.1.2: the close frame, then the peer's.</summary>
    public async ValueTask CloseAsync(CancellationToken cancel)
    {
        await SendCloseAsync(cancel).ConfigureAwait(false);
        byte[] rest = new byte[256];
        while (await ReadAsync(rest, cancel).ConfigureAwait(false) > 0)
        {
            // Data still in flight.
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_payload.IsEmpty)
        {
            var found = _reader.Read(_buffer.AsSpan(_start, _end - _start), out int consumed, out var range);
            ReadOnlyMemory<byte> body = _buffer.AsMemory(_start + range.Offset, range.Length);
            _start += consumed;
            switch (found)
            {
                case FrameEvent.Payload:
                    _payload = body;
                    break;
                case FrameEvent.Ping:
                    await SendAsync(FrameOpcode.Pong, body, cancellationToken).ConfigureAwait(false);
                    break;
                case FrameEvent.Pong:
                    break;
                case FrameEvent.Close:
                    await SendCloseAsync(cancellationToken).ConfigureAwait(false);
                    return 0;
                case FrameEvent.Invalid:
                    throw new IOException($"websocket: {_reader.Error.Text()}");
                default:
                    if (await FillAsync(cancellationToken).ConfigureAwait(false) == 0)
                    {
                        return 0;
                    }

                    break;
            }
        }

        int taken = Math.Min(buffer.Length, _payload.Length);
        _payload[..taken].CopyTo(buffer);
        _payload = _payload[taken..];
        return taken;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        SendAsync(FrameOpcode.Binary, buffer, cancellationToken);

    public override void Flush() => _inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static byte[] Request(string host, string path, byte[] key)
    {
        UpgradeRequestValues values = new()
        {
            Path = Encoding.ASCII.GetBytes(path),
            Host = Encoding.ASCII.GetBytes(host),
            Key = key,
            Subprotocol = MqttSubprotocol.Mqtt,
        };
        byte[] request = new byte[UpgradeRequestWriter.MaxLength(values)];
        return request[..UpgradeRequestWriter.Write(request, values)];
    }

    private async ValueTask SendCloseAsync(CancellationToken cancel)
    {
        if (!_closeSent)
        {
            _closeSent = true;
            await SendAsync(FrameOpcode.Close, new byte[] { CloseCodes.Normal >> 8, CloseCodes.Normal & 0xFF }, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask SendAsync(FrameOpcode opcode, ReadOnlyMemory<byte> payload, CancellationToken cancel)
    {
        byte[] frame = new byte[FrameWriter.MaxHeaderLength + payload.Length];
        uint mask = BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));
        await _inner.WriteAsync(frame.AsMemory(0, FrameWriter.Write(frame, opcode, payload.Span, mask)), cancel).ConfigureAwait(false);
    }

    /// <summary>One read after the bytes not consumed yet; 0 at the end of the stream.</summary>
    private async ValueTask<int> FillAsync(CancellationToken cancel)
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        if (_end == _buffer.Length)
        {
            throw new IOException("websocket: the peer sent more than a probe needs");
        }

        int read = await _inner.ReadAsync(_buffer.AsMemory(_end), cancel).ConfigureAwait(false);
        _end += read;
        return read;
    }
}
