using System.Net;
using System.Net.Sockets;

namespace ActorLb.Tests.Health;

/// <summary>Accepts one connection at a time on a port of the system's choice and lets the test's code answer it.</summary>
internal sealed class FakeService : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _serving;

    public FakeService(Func<Stream, CancellationToken, Task> serve)
    {
        _listener.Start();
        EndPoint = (IPEndPoint)_listener.LocalEndpoint;
        _serving = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync(_end.Token);
                    try
                    {
                        await serve(client.GetStream(), _end.Token);
                    }
                    catch (IOException)
                    {
                        // The probe left first.
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The end of the test.
            }
        });
    }

    public IPEndPoint EndPoint { get; }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _serving;
        _listener.Stop();
        _end.Dispose();
    }
}
