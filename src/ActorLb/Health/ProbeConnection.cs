using System.Net.Security;
using System.Net.Sockets;

namespace ActorLb.Health;

/// <summary>A probe's connection, and its orderly end.</summary>
internal sealed class ProbeConnection(Socket socket, Stream stream) : IAsyncDisposable
{
    /// <summary>The verdict stands already: a peer that does not end soon is left.</summary>
    public static readonly TimeSpan EndTime = TimeSpan.FromSeconds(1);

    /// <summary>Read of what a peer still sends at most.</summary>
    private const int MaxRest = 1 << 20;

    /// <summary>What the pool's clients' bytes go through: TLS where the pool speaks it.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>
    /// Reads to the peer's end, then closes: with something unread the close would be a reset, which brokers log as an error.
    /// </summary>
    /// <param name="first">End this side before: for a peer that waits for it.</param>
    public async ValueTask EndAsync(bool first, CancellationToken cancellationToken)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(EndTime);
        try
        {
            if (first)
            {
                if (Stream is SslStream secure)
                {
                    await secure.ShutdownAsync().WaitAsync(end.Token).ConfigureAwait(false);
                }

                socket.Shutdown(SocketShutdown.Send);
            }

            byte[] rest = new byte[4096];
            for (int left = MaxRest; left > 0;)
            {
                int read = await Stream.ReadAsync(rest, end.Token).ConfigureAwait(false);
                if (read == 0)
                {
                    return;
                }

                left -= read;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // A courtesy: the verdict stands without it.
        }
    }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
