using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Options with NGINX-like defaults, to change with <c>with</c>.</summary>
internal static class TlsOptions
{
    internal static ListenerTlsOptions For(params TestCertificate[] certificates) => new(
        [.. certificates.Select(c => new CertificateOptions([], c.CertificatePath, c.KeyPath))],
        TlsProtocols.Tls12 | TlsProtocols.Tls13, "HIGH:!aNULL:!MD5", CipherSuites: null,
        SessionCache: 1024 * 1024, SessionTimeout: TimeSpan.FromMinutes(10), SessionTickets: true, TicketKeyFile: null,
        ClientCa: null, VerifyClient.Off, VerifyDepth: 1, CrlFile: null, CrlCheck.Leaf, CrlExpired.Refuse, TimeSpan.FromSeconds(10), MaxHandshakes: 1000);
}

/// <summary>One connection with its TLS, of either side, driven by poll on the test's thread.</summary>
internal sealed class TlsTestConnection(Socket socket, TlsSession tls) : IDisposable
{
    internal TlsSession Tls { get; } = tls;

    internal Socket Socket { get; } = socket;

    internal HandshakeOutcome Handshake()
    {
        while (true)
        {
            var outcome = Tls.Handshake();
            if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed)
            {
                return outcome;
            }

            WaitFor(outcome.Status == HandshakeStatus.WantRead ? TlsIoStatus.WantRead : TlsIoStatus.WantWrite);
        }
    }

    /// <summary>Reads once, waiting as long as nothing is there.</summary>
    internal TlsIoResult Read(Span<byte> buffer)
    {
        while (true)
        {
            var result = Tls.Read(buffer);
            if (result.Status is TlsIoStatus.Ok or TlsIoStatus.Closed or TlsIoStatus.Error)
            {
                return result;
            }

            WaitFor(result.Status);
        }
    }

    /// <summary>Writes all, waiting where the peer is slow.</summary>
    internal TlsIoStatus WriteAll(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var result = Tls.Write(bytes);
            if (result.Status is TlsIoStatus.Closed or TlsIoStatus.Error)
            {
                return result.Status;
            }

            if (result.Status != TlsIoStatus.Ok)
            {
                WaitFor(result.Status);
            }

            bytes = bytes[result.Count..];
        }

        return TlsIoStatus.Ok;
    }

    /// <summary>Sends close_notify, waiting where the peer is slow.</summary>
    internal TlsIoStatus Shutdown()
    {
        while (true)
        {
            var status = Tls.Shutdown();
            if (status != TlsIoStatus.WantWrite)
            {
                return status;
            }

            WaitFor(status);
        }
    }

    /// <summary>Echoes until the stream ends, and returns how it ended.</summary>
    internal TlsIoStatus Echo()
    {
        byte[] buffer = new byte[65536];
        while (true)
        {
            var result = Read(buffer);
            if (result.Status != TlsIoStatus.Ok)
            {
                return result.Status;
            }

            var written = WriteAll(buffer.AsSpan(0, result.Count));
            if (written != TlsIoStatus.Ok)
            {
                return written;
            }
        }
    }

    public void Dispose()
    {
        Tls.Dispose();
        Socket.Dispose();
    }

    private void WaitFor(TlsIoStatus status)
    {
        var mode = status == TlsIoStatus.WantRead ? SelectMode.SelectRead : SelectMode.SelectWrite;
        if (!Socket.Poll(Wait.Patience, mode))
        {
            throw new TimeoutException($"The peer did not answer to {status}.");
        }
    }
}

/// <summary>A listening socket on loopback whose connections get the context's TLS.</summary>
internal sealed class TlsTestServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly bool _ownsContext;

    internal TlsTestServer(TlsServerContext context, bool ownsContext = true)
    {
        Context = context;
        _ownsContext = ownsContext;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(100);
    }

    internal TlsTestServer(ListenerTlsOptions options, bool webSocket = false, bool passesAnything = false)
        : this(TlsServerContext.Build(options, webSocket, TimeProvider.System, passesAnything: passesAnything))
    {
    }

    internal TlsServerContext Context { get; }

    internal int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    internal Socket AcceptPlain()
    {
        if (!_listener.Poll(Wait.Patience, SelectMode.SelectRead))
        {
            throw new TimeoutException("No client came.");
        }

        return _listener.Accept();
    }

    internal TlsTestConnection Accept()
    {
        var socket = AcceptPlain();
        socket.Blocking = false;
        socket.NoDelay = true;
        return new TlsTestConnection(socket, Context.Accept((int)socket.Handle));
    }

    /// <summary>Accepts one connection on a thread of its own.</summary>
    internal Task<T> Serve<T>(Func<TlsTestConnection, T> talk) => Task.Factory.StartNew(
        () =>
        {
            using var connection = Accept();
            return talk(connection);
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Dispose()
    {
        _listener.Dispose();
        if (_ownsContext)
        {
            Context.Dispose();
        }
    }
}
