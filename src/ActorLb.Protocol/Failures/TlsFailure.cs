using System.Security.Authentication;
using System.Text.RegularExpressions;

namespace ActorLb.Protocol.Failures;

/// <summary>Why a TLS handshake failed.</summary>
public static partial class TlsFailure
{
    public const string NoTls = "the other side does not speak TLS";

    public static string Describe(AuthenticationException e)
    {
        string outer = e.Message;
        if (outer.Contains("frame size", StringComparison.Ordinal) || outer.Contains("corrupted frame", StringComparison.Ordinal)) return NoTls;
        if (outer.Contains("remote certificate", StringComparison.Ordinal)) return OfCertificate(outer);
        Exception inner = e;
        while (inner.InnerException is { } deeper) inner = deeper;
        return OfOpenSsl(inner.Message) ?? (ReferenceEquals(inner, e) || inner is AuthenticationException ? $"the handshake failed: {inner.Message}" : FailureText.Describe(inner));
    }

    /// <summary>From SslPolicyErrors, or the names of X509ChainStatusFlags after a colon.</summary>
    private static string OfCertificate(string text)
    {
        string[] problems = [.. Word().Matches(text[(text.LastIndexOf(':') + 1)..]).Select(m => m.Value switch
        {
            "RemoteCertificateNameMismatch" => "is for another name",
            "RemoteCertificateNotAvailable" => "is missing",
            "UntrustedRoot" or "PartialChain" or "RemoteCertificateChainErrors" => "is not signed by an authority trusted here",
            "NotTimeValid" => "has expired, or is not valid yet",
            "Revoked" => "is revoked",
            "NotValidForUsage" => "is not valid for a server",
            "NotSignatureValid" => "has an invalid signature",
            var other => $"is not accepted ({other})",
        }).Distinct()];
        return $"the other side's certificate {string.Join(" and ", problems)}";
    }

    /// <summary>From an error of OpenSSL, such as "error:0A00010B:SSL routines::wrong version number".</summary>
    private static string? OfOpenSsl(string text)
    {
        if (text.Contains("wrong version number", StringComparison.Ordinal) || text.Contains("packet length too long", StringComparison.Ordinal)) return NoTls;
        if (text.Contains("certificate required", StringComparison.Ordinal)) return "the other side wants a client certificate";
        if (text.Contains("alert unknown ca", StringComparison.Ordinal)) return "the other side does not trust the client certificate";
        if (text.Contains("alert bad certificate", StringComparison.Ordinal) || text.Contains("alert certificate", StringComparison.Ordinal)) return "the other side does not accept the client certificate";
        if (text.Contains("protocol version", StringComparison.Ordinal) || text.Contains("unsupported protocol", StringComparison.Ordinal)) return "the two sides have no TLS version in common";
        if (text.Contains("no shared cipher", StringComparison.Ordinal) || text.Contains("handshake failure", StringComparison.Ordinal)) return "the other side refused the handshake: no cipher in common, or a client certificate is missing";
        int reason = text.LastIndexOf("::", StringComparison.Ordinal);
        return reason < 0 ? null : $"the handshake failed: {text[(reason + 2)..].Trim()}";
    }

    [GeneratedRegex("[A-Za-z0-9]+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Word();
}
