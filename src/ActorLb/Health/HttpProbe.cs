using System.Net;
using System.Text;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>GET; 2xx or 3xx means alive. With 503 the broker itself says that it accepts no clients, or that it is draining.</summary>
internal sealed class HttpProbe : IHealthProbe
{
    /// <summary>"HTTP/1.1 200" and the byte after it.</summary>
    private const int StatusLength = 13;
    private const int ServiceUnavailable = 503;

    private readonly ProbeStream _opener;
    private readonly byte[] _request;
    private readonly bool _drainsOn503;

    /// <param name="host">Host header: the backend as configured.</param>
    /// <param name="drainsOn503">503 means that the backend wants to be drained, not that it has failed.</param>
    public HttpProbe(ProbeStream opener, string host, string path, bool drainsOn503 = false)
    {
        _opener = opener;
        _drainsOn503 = drainsOn503;
        _request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: actorlb-probe\r\nConnection: close\r\n\r\n");
    }

    public string Name => "http";

    public string Owed => _opener.Owed;

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancel)
    {
        try
        {
            var connection = await _opener.OpenAsync(endPoint, cancel).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                _opener.Owed = "no HTTP status";
                await connection.Stream.WriteAsync(_request, cancel).ConfigureAwait(false);
                byte[] answer = new byte[StatusLength];
                int read = await connection.Stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancel)
                    .ConfigureAwait(false);

                // Some servers treat a half-close as an abort and do not complete their answer.
                await connection.EndAsync(first: false, cancel).ConfigureAwait(false);
                return Judge(answer.AsSpan(0, read), _drainsOn503);
            }
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }

    /// <summary>The verdict on an unsuccessful status.</summary>
    internal static ProbeResult OfStatus(int status) =>
        status == ServiceUnavailable ? ProbeResult.RefusedBy($"HTTP status {status}") : ProbeResult.Failed($"HTTP status {status}");

    /// <summary>Status line of RFC 9112, section 4.</summary>
    internal static ProbeResult Judge(ReadOnlySpan<byte> answer, bool drainsOn503 = false)
    {
        if (answer.Length < StatusLength || !answer.StartsWith("HTTP/1."u8) || answer[8] != (byte)' '
            || !int.TryParse(answer.Slice(9, 3), out int status))
        {
            return ProbeResult.Failed(answer.IsEmpty ? "closed without an answer" : "not an HTTP/1.x answer");
        }

        if (status == ServiceUnavailable && drainsOn503) return ProbeResult.Draining($"HTTP status {status}");
        return status is >= 200 and < 400 ? ProbeResult.Ok : OfStatus(status);
    }
}
