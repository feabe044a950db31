using System.Net.Security;
using System.Net.Sockets;

namespace ActorLb.Health;

/// <summary>A probe's connection, and its orderly close.</summary>
internal sealed class ProbeConnection(Socket socket, Stream stream) : IAsyncDisposable
{
    /// <summary>The verdict is already known: a peer that does not close soon is abandoned.</summary>
    public static readonly TimeSpan EndTime = TimeSpan.FromSeconds(1);

    /// <summary>Most bytes read from a peer that still sends.</summary>
    private const int MaxRest = 1 << 20;

    /// <summary>The stream that the pool's clients use: TLS if the pool uses it.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>
    /// Reads to the peer's end, then closes: closing with unread data would be a reset, which brokers log as an error.
    /// </summary>
    /// <param name="first">Close this side first, for a peer that waits for it.</param>
    public async ValueTask EndAsync(bool first, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
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
            // Optional: the verdict does not depend on it.
        }
    }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
