using System.Net;
using System.Net.Sockets;
using ActorLb.Protocol.Failures;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>
/// Kestrel's sockets with an accept loop of our own. Kestrel's tries again at once when the system has no descriptor left, which takes
/// a core until one is free: this one rests in between. And it takes no more connections at once than its limit: what a flood brings
/// waits in the kernel's queue, not in descriptors and in the thread pool's queue, where the node's own work would wait behind it.
/// </summary>
internal sealed class AcceptingTransport(ILoggerFactory loggers) : IConnectionListenerFactory
{
    /// <summary>Kestrel's own default.</summary>
    private const int Backlog = 512;

    /// <summary>Connections at once, those included that are on their way out.</summary>
    public const int MostConnections = 256;

    private readonly ILogger _logger = loggers.CreateLogger("ActorLb.Hosting");

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        Socket? socket = null;
        try
        {
            socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            // What Kestrel makes a message of, with the address.
            if (e.SocketErrorCode == SocketError.AddressAlreadyInUse) throw new AddressInUseException(e.Message, e);
            throw;
        }
        return ValueTask.FromResult<IConnectionListener>(new AcceptingListener(socket, _logger, MostConnections));
    }
}

/// <param name="most">Connections at once.</param>
internal sealed partial class AcceptingListener(Socket socket, ILogger logger, int most) : IConnectionListener
{
    /// <summary>How long it rests when an accept fails by this node's fault.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(250);

    private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), logger);
    private readonly CancellationTokenSource _stop = new();
    private readonly LogLimit _warnings = new(logger, TimeProvider.System);
    private readonly SemaphoreSlim _free = new(most, most);

    public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await _free.WaitAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var accepted = await socket.AcceptAsync(cancellationToken).ConfigureAwait(false);
                accepted.NoDelay = true;
                var connection = _connections.Create(accepted);
                connection.ConnectionClosed.UnsafeRegister(static free => ((SemaphoreSlim)free!).Release(), _free);
                return connection;
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                break;
            }
            catch (SocketException e)
            {
                // One that was reset before it was taken is the next one's business; all else has to pass.
                if (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted) continue;
                Warn(e);
                await Task.Delay(Rest, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        _stop.Cancel();
        socket.Dispose();
        return default;
    }

    public ValueTask DisposeAsync()
    {
        _stop.Cancel();
        socket.Dispose();
        _connections.Dispose();
        _warnings.Dispose();
        return default;
    }

    private void Warn(SocketException e)
    {
        if (_warnings.Admits(LogLevel.Error, "endpoint", EndPoint.ToString()!, $"cannot accept: {SocketFailure.Describe(e.SocketErrorCode)}"))
            Log.CannotAccept(logger, EndPoint, SocketFailure.Describe(e.SocketErrorCode));
    }

    private static partial class Log
    {
        [LoggerMessage(2301, LogLevel.Error, "{EndPoint} cannot accept: {Reason}; meanwhile connections wait in the kernel's queue")]
        public static partial void CannotAccept(ILogger logger, EndPoint endPoint, string reason);
    }
}
