using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>One authenticated stream to a peer: a loop that writes what is queued, and one that reads frames for the link.</summary>
internal sealed class PeerConnection(Stream output, FrameReader reader, PeerLane lane, bool dialled)
{
    /// <summary>Queued bytes of the calls lane, then immediate failure.</summary>
    public const int CallsLimit = 1 << 20;

    /// <summary>Queued bytes of the bulk lane.</summary>
    public const int BulkLimit = 16 << 20;

    private readonly SendQueue _queue = new(lane == PeerLane.Calls ? CallsLimit : BulkLimit);
    private readonly CancellationTokenSource _stop = new();

    // Set once, by whoever ends the connection first.
    private string? _reason;
    private Task _cancelling = Task.CompletedTask;

    public PeerLane Lane { get; } = lane;

    /// <summary>Whether this side dialled.</summary>
    public bool Dialled { get; } = dialled;

    public bool TrySend(ReadOnlySpan<byte> frame) => _queue.TryAppend(frame);

    /// <summary>Ends the connection; the first reason given is the one reported.</summary>
    public void Close(string reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is null)
        {
            _queue.Close();
            // Elsewhere: what waits for the token would go on here, maybe in the middle of a frame's delivery.
            Volatile.Write(ref _cancelling, _stop.CancelAsync());
        }
    }

    /// <summary>Carries frames until the connection ends.</summary>
    /// <returns>Why it ended.</returns>
    public async Task<string> RunAsync(PeerLink link, CancellationToken cancellationToken)
    {
        using var given = cancellationToken.UnsafeRegister(static c => ((PeerConnection)c!).Close("stopped"), this);
        reader.Trust();
        var writing = WriteAsync();
        await ReadAsync(link);
        await writing;
        await Volatile.Read(ref _cancelling);
        return _reason!;
    }

    private async Task WriteAsync()
    {
        try
        {
            while (await _queue.WaitAsync())
            {
                await output.WriteAsync(_queue.Take(), _stop.Token);
                await output.FlushAsync(_stop.Token);
                _queue.Taken();
            }
        }
        catch (Exception e)
        {
            Close(ReasonOf(e));
        }
    }

    private async Task ReadAsync(PeerLink link)
    {
        try
        {
            do
            {
                if (link.Deliver(this, reader) is var error and not PeerFrameError.None)
                {
                    Close($"broke the protocol: {PeerFrameErrors.Describe(error)}");
                    return;
                }
            }
            while (await reader.FillAsync(_stop.Token));

            Close("the peer closed the connection");
        }
        catch (Exception e)
        {
            Close(ReasonOf(e));
        }
    }

    /// <summary>
    /// The connection's root: whatever happens on it, and in the handler of a frame of it, ends it and nothing else. What HttpClient
    /// and Kestrel throw for a connection that is over is worth a line, anything else all that is known of it.
    /// </summary>
    private static string ReasonOf(Exception e) =>
        e is IOException or HttpRequestException or OperationCanceledException or ObjectDisposedException
            ? e.GetBaseException().Message
            : $"internal error: {e}";
}
