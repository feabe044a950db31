using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Health;

/// <summary>The first steps of a probe: connect, PROXY header where the pool speaks it, TLS where the pool speaks it.</summary>
internal sealed class ProbeStream(ProxyProtocolVersion proxy, UpstreamTls? tls)
{
    /// <summary>A v1 header for a connection that speaks for nobody (PROXY protocol specification, section 2.1).</summary>
    private static readonly byte[] ProxyV1 = "PROXY UNKNOWN\r\n"u8.ToArray();

    /// <summary>Signature, version 2 with command LOCAL, family unspecified, no addresses (section 2.2).</summary>
    private static readonly byte[] ProxyV2 = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0x00, 0x00, 0x00];

    /// <exception cref="IOException">Anything that the peer or the network did, with the step in its message.</exception>
    public async ValueTask<ProbeConnection> OpenAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream stream;
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"connect: {e.Message}", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        try
        {
            if (proxy != ProxyProtocolVersion.Off)
            {
                await stream.WriteAsync(proxy == ProxyProtocolVersion.V1 ? ProxyV1 : ProxyV2, cancellationToken).ConfigureAwait(false);
            }

            if (tls is not null)
            {
                SslStream secure = new(stream, leaveInnerStreamOpen: false);
                stream = secure;
                await secure.AuthenticateAsClientAsync(tls.Options, cancellationToken).ConfigureAwait(false);
            }

            return new ProbeConnection(socket, stream);
        }
        catch (System.Security.Authentication.AuthenticationException e)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new IOException($"tls: {e.Message}", e);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
