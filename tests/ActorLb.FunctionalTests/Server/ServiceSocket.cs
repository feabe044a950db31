using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>The service manager's end of sd_notify(3): a datagram socket that keeps what it is told.</summary>
internal sealed class ServiceSocket : IAsyncDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _told = new();
    private readonly Task _receiving;

    /// <param name="path">Of the socket's file.</param>
    public ServiceSocket(string path)
    {
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        Path = path;
        _receiving = ReceiveAsync();
    }

    public string Path { get; }

    /// <summary>One element for each message, its assignments joined by a space.</summary>
    public string[] Told => [.. _told];

    /// <summary>Waits for a message, behind those that came <paramref name="after"/>, which has this beginning; its number.</summary>
    public async Task<int> WaitAsync(string beginning, int after = -1)
    {
        int found = -1;
        await Wait.UntilAsync(
            () => (found = Array.FindIndex(Told, after + 1, m => m.StartsWith(beginning, StringComparison.Ordinal))) >= 0,
            () => $"'{beginning}' was not told behind message {after}: {string.Join(" | ", Told)}");
        return found;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _receiving;
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task ReceiveAsync()
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                int read = await _socket.ReceiveAsync(buffer, _stop.Token);
                _told.Enqueue(Encoding.UTF8.GetString(buffer, 0, read).TrimEnd('\n').Replace('\n', ' '));
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the test.
        }
    }
}
