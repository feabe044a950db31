using System.Threading.Tasks.Sources;

namespace ActorLb.Cluster.Transport;

/// <summary>
/// Frames on their way out. Senders append to one buffer while the writer sends the other; when it is done they change places, so
/// that what came meanwhile goes out in one piece, without a timer. Nothing is allocated once the buffers have their size.
/// </summary>
internal sealed class SendQueue(int limit) : IValueTaskSource<bool>, IThreadPoolWorkItem
{
    private const int SmallBuffer = 64 << 10;

    private readonly Lock _gate = new();

    // Guarded by _gate, but for _writing and the length handed out with it, which are the writer's between Take and Taken.
    private byte[] _filling = new byte[SmallBuffer];
    private byte[] _writing = new byte[SmallBuffer];
    private int _filled;
    private int _inFlight;
    private bool _waiting;
    private bool _closed;

    private ManualResetValueTaskSourceCore<bool> _wake;

    /// <summary>Bytes queued and being written.</summary>
    public int Queued
    {
        get
        {
            lock (_gate)
            {
                return _filled + _inFlight;
            }
        }
    }

    /// <summary>Any thread. False when the queue is full or closed.</summary>
    public bool TryAppend(ReadOnlySpan<byte> frame)
    {
        bool wake;
        lock (_gate)
        {
            if (_closed || _filled + _inFlight + frame.Length > limit)
            {
                return false;
            }

            if (_filled + frame.Length > _filling.Length)
            {
                Array.Resize(ref _filling, Math.Min(limit, Math.Max(_filling.Length * 2, _filled + frame.Length)));
            }

            frame.CopyTo(_filling.AsSpan(_filled));
            _filled += frame.Length;
            wake = _waiting;
            _waiting = false;
        }

        if (wake)
        {
            // Not on the sender's thread, which may be a reactor's. The queue itself is the work item: nothing is allocated.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        return true;
    }

    /// <summary>The writer: completes with true when there is something to write, with false when the queue was closed.</summary>
    public ValueTask<bool> WaitAsync()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return new ValueTask<bool>(false);
            }

            if (_filled > 0)
            {
                return new ValueTask<bool>(true);
            }

            _wake.Reset();
            _waiting = true;
            return new ValueTask<bool>(this, _wake.Version);
        }
    }

    /// <summary>The writer: everything queued. Valid until <see cref="Taken"/>.</summary>
    public ReadOnlyMemory<byte> Take()
    {
        lock (_gate)
        {
            (_filling, _writing) = (_writing, _filling);
            _inFlight = _filled;
            _filled = 0;
            return _writing.AsMemory(0, _inFlight);
        }
    }

    /// <summary>The writer: what was taken is written.</summary>
    public void Taken()
    {
        lock (_gate)
        {
            // A burst's buffer is not kept.
            if (_writing.Length > 4 * SmallBuffer && _inFlight < _writing.Length / 8)
            {
                _writing = new byte[SmallBuffer];
            }

            _inFlight = 0;
        }
    }

    public void Close()
    {
        bool wake;
        lock (_gate)
        {
            _closed = true;
            wake = _waiting;
            _waiting = false;
        }

        if (wake)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute() => _wake.SetResult(!Volatile.Read(ref _closed));

    bool IValueTaskSource<bool>.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);
}
