using System.Runtime.CompilerServices;
using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>Cuts a stream of bytes into frames. One buffer, which grows to the largest frame at most; nothing is allocated a frame.</summary>
internal sealed class FrameReader(Stream input, int limit)
{
    private const int SmallBuffer = 64 << 10;

    private byte[] _buffer = new byte[Math.Min(SmallBuffer, Math.Max(limit, PeerFrameHeader.Size))];
    private int _start;
    private int _end;

    /// <summary>Longest frame taken.</summary>
    private int _limit = limit;

    /// <summary>The peer is known: frames of every length from here on.</summary>
    public void Trust()
    {
        _limit = PeerFrameHeader.MaxFrame;
        Array.Resize(ref _buffer, Math.Max(_buffer.Length, SmallBuffer));
    }

    /// <summary>Whether <see cref="TryNext"/> would say more than "not yet".</summary>
    public bool HasFrameOrFault
    {
        get
        {
            var length = PeerFrameHeader.PeekLength(_buffer.AsSpan(_start, _end - _start), out var error);
            return error != PeerFrameError.None || length > _limit || (length > 0 && length <= _end - _start);
        }
    }

    /// <summary>Reads what has come, at least one byte.</summary>
    /// <returns>False at the end of the stream.</returns>
    public ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            // Full without a whole frame, whose length was found to be within the limit.
            Array.Resize(ref _buffer, Math.Min(Math.Max(_buffer.Length * 2, SmallBuffer), PeerFrameHeader.MaxFrame));
        }

        var read = input.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return AwaitAsync(read);
        }

        var n = read.Result;
        _end += n;
        return new ValueTask<bool>(n > 0);
    }

    /// <summary>The next whole frame; the span holds until the next fill.</summary>
    public bool TryNext(out ReadOnlySpan<byte> frame, out PeerFrameError error)
    {
        var rest = _buffer.AsSpan(_start, _end - _start);
        var length = PeerFrameHeader.PeekLength(rest, out error);
        if (error == PeerFrameError.None && length > _limit)
        {
            error = PeerFrameError.LengthTooLarge;
        }

        if (error != PeerFrameError.None || length == 0 || length > rest.Length)
        {
            frame = default;
            return false;
        }

        frame = rest[..length];
        _start += length;
        return true;
    }

    // The state machine is kept for the next read instead of being allocated anew.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> AwaitAsync(ValueTask<int> read)
    {
        var n = await read;
        _end += n;
        return n > 0;
    }
}
