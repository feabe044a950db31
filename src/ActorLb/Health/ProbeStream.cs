using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>The first steps of a probe: connect, then PROXY header and TLS if the pool uses them.</summary>
internal sealed class ProbeStream(ProxyProtocolVersion proxy, UpstreamTls? tls)
{
    /// <summary>A v1 header for a connection on nobody's behalf (PROXY protocol specification, section 2.1).</summary>
    private static readonly byte[] ProxyV1 = "PROXY UNKNOWN\r\n"u8.ToArray();

    /// <summary>Signature, version 2 with command LOCAL, family unspecified, no addresses (section 2.2).</summary>
    private static readonly byte[] ProxyV2 = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0x00, 0x00, 0x00];

    /// <summary>What the peer has not done yet. Probes run one at a time; once the stream is open, the probe sets what it waits
    /// for.</summary>
    public string Owed { get; set; } = NoConnection;

    private const string NoConnection = "no connection";

    /// <exception cref="IOException">The connection failed; <see cref="LocalFaultException"/> if this node is to blame.</exception>
    public static async ValueTask<Socket> ConnectAsync(IPEndPoint endPoint, CancellationToken cancel)
    {
        Socket? socket = null;
        bool atOnce = true;
        try
        {
            socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            var connecting = socket.ConnectAsync(endPoint, cancel);
            atOnce = connecting.IsCompleted;
            await connecting.ConfigureAwait(false);
            return socket;
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            string message = $"connect: {SocketFailure.Describe(e.SocketErrorCode)}";
            throw LocalFault.Is(e.SocketErrorCode, atOnce) ? new LocalFaultException(message, e) : new IOException(message, e);
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }

    /// <exception cref="IOException">Any failure of the peer or the network, with the step in its message.</exception>
    public async ValueTask<ProbeConnection> OpenAsync(IPEndPoint endPoint, CancellationToken cancel)
    {
        Owed = NoConnection;
        var socket = await ConnectAsync(endPoint, cancel).ConfigureAwait(false);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            if (proxy != ProxyProtocolVersion.Off)
            {
                Owed = "the PROXY header was not accepted";
                await stream.WriteAsync(proxy == ProxyProtocolVersion.V1 ? ProxyV1 : ProxyV2, cancel).ConfigureAwait(false);
            }

            if (tls is not null)
            {
                SslStream secure = new(stream, leaveInnerStreamOpen: false);
                stream = secure;
                Owed = "no TLS handshake";
                await secure.AuthenticateAsClientAsync(tls.Options, cancel).ConfigureAwait(false);
            }

            return new ProbeConnection(socket, stream);
        }
        catch (System.Security.Authentication.AuthenticationException e)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new IOException($"tls: {FailureText.Describe(e)}", e);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
