using System.Net;
using System.Text;

namespace ActorLb.Health;

/// <summary>
/// GET, with 2xx or 3xx alive; or, for backends that speak WebSocket, the upgrade request of RFC 6455 section 4.1, with 101 alive.
/// Reads no further than the status line.
/// </summary>
internal sealed class HttpProbe : IHealthProbe
{
    /// <summary>"HTTP/1.1 200" and the byte after it.</summary>
    private const int StatusLength = 13;

    private readonly ProbeStream _opener;
    private readonly byte[] _request;
    private readonly bool _upgrade;

    /// <param name="host">Host header: the backend as configured.</param>
    /// <param name="upgrade">Ask for a WebSocket of subprotocol mqtt.</param>
    public HttpProbe(ProbeStream opener, string host, string path, bool upgrade)
    {
        _opener = opener;
        _upgrade = upgrade;
        string headers = upgrade
            ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + $"Sec-WebSocket-Key: {Convert.ToBase64String("actorlb-probe-01"u8)}\r\nSec-WebSocket-Protocol: mqtt\r\n"
            : "Connection: close\r\n";
        _request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: actorlb-probe\r\n{headers}\r\n");
    }

    public string Name => _upgrade ? "websocket" : "http";

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            Stream stream = await _opener.OpenAsync(endPoint, cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                await stream.WriteAsync(_request, cancellationToken).ConfigureAwait(false);
                byte[] answer = new byte[StatusLength];
                int read = await stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancellationToken)
                    .ConfigureAwait(false);
                return Judge(answer.AsSpan(0, read), _upgrade);
            }
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, e.Message);
        }
    }

    /// <summary>Status line of RFC 9112, section 4.</summary>
    internal static ProbeResult Judge(ReadOnlySpan<byte> answer, bool upgrade)
    {
        if (answer.Length < StatusLength || !answer.StartsWith("HTTP/1."u8) || answer[8] != (byte)' '
            || !int.TryParse(answer.Slice(9, 3), out int status))
        {
            return ProbeResult.Failed(answer.IsEmpty ? "closed without an answer" : "not an HTTP/1.x answer");
        }

        bool alive = upgrade ? status == 101 : status is >= 200 and < 400;
        return alive ? ProbeResult.Ok : ProbeResult.Failed($"HTTP status {status}");
    }
}
