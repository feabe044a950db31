using System.Net;
using System.Text;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>GET, with 2xx or 3xx alive. 503 is the broker's own word that it takes nobody.</summary>
internal sealed class HttpProbe : IHealthProbe
{
    /// <summary>"HTTP/1.1 200" and the byte after it.</summary>
    private const int StatusLength = 13;
    private const int ServiceUnavailable = 503;

    private readonly ProbeStream _opener;
    private readonly byte[] _request;

    /// <param name="host">Host header: the backend as configured.</param>
    public HttpProbe(ProbeStream opener, string host, string path)
    {
        _opener = opener;
        _request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: actorlb-probe\r\nConnection: close\r\n\r\n");
    }

    public string Name => "http";

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            ProbeConnection connection = await _opener.OpenAsync(endPoint, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                await connection.Stream.WriteAsync(_request, cancellationToken).ConfigureAwait(false);
                byte[] answer = new byte[StatusLength];
                int read = await connection.Stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancellationToken)
                    .ConfigureAwait(false);

                // Some servers take an end of this side for an abort, and do not answer to the end.
                await connection.EndAsync(first: false, cancellationToken).ConfigureAwait(false);
                return Judge(answer.AsSpan(0, read));
            }
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }

    /// <summary>The verdict on a status that is no success.</summary>
    internal static ProbeResult OfStatus(int status) =>
        status == ServiceUnavailable ? ProbeResult.RefusedBy($"HTTP status {status}") : ProbeResult.Failed($"HTTP status {status}");

    /// <summary>Status line of RFC 9112, section 4.</summary>
    internal static ProbeResult Judge(ReadOnlySpan<byte> answer)
    {
        if (answer.Length < StatusLength || !answer.StartsWith("HTTP/1."u8) || answer[8] != (byte)' '
            || !int.TryParse(answer.Slice(9, 3), out int status))
        {
            return ProbeResult.Failed(answer.IsEmpty ? "closed without an answer" : "not an HTTP/1.x answer");
        }

        return status is >= 200 and < 400 ? ProbeResult.Ok : OfStatus(status);
    }
}
