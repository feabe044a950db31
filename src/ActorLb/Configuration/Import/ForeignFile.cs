using System.Text.RegularExpressions;

namespace ActorLb.Configuration.Import;

/// <summary>Recognises which program's configuration a file is, by how its lines start.</summary>
internal static partial class ForeignFile
{
    internal enum Kind { Unknown, Nginx, HAProxy, ActorLb }

    /// <summary>Number of lines that is enough to decide.</summary>
    private const int LinesRead = 2_000, LongestLine = 500;

    public static Kind Of(string text, out int line)
    {
        line = 1;
        int number = 0;
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            if (++number > LinesRead) break;
            var trimmed = raw.Trim();
            if (trimmed.Length is 0 or > LongestLine || trimmed[0] == '#') continue;
            string shown = trimmed.ToString();
            var kind = HAProxySection().IsMatch(shown) ? Kind.HAProxy
                : NginxBlock().IsMatch(shown) ? Kind.Nginx
                : OwnRoot().IsMatch(shown) ? Kind.ActorLb
                : NginxLine().IsMatch(shown) ? Kind.Nginx : Kind.Unknown;
            if (kind == Kind.Unknown) continue;
            line = number;
            return kind;
        }
        return Kind.Unknown;
    }

    /// <summary>Why a file is not what it was said to be, and the line that shows it; null when there is no such sign.</summary>
    public static (int Line, string Reason)? Refuse(string text, Kind expected)
    {
        var kind = Of(text, out int line);
        if (kind == Kind.Unknown || kind == expected) return null;
        return (line, kind switch
        {
            Kind.HAProxy => "this is a file of HAProxy: import it with `actorlb import haproxy FILE`",
            Kind.Nginx => "this is a file of NGINX: import it with `actorlb import nginx FILE`",
            _ => "this is already a configuration of ActorLb: check it with `actorlb check -c FILE`",
        });
    }

    /// <summary>What to do with such a file; null for one that is not recognised.</summary>
    public static string? Command(string text) => Of(text, out _) switch
    {
        Kind.Nginx => "actorlb import nginx FILE",
        Kind.HAProxy => "actorlb import haproxy FILE",
        _ => null,
    };

    [GeneratedRegex(@"^(global|defaults|frontend|backend|listen|resolvers|peers|userlist|mailers|cache|ring|program|http-errors|fcgi-app|log-forward)(\s+[^;{}=]*)?$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex HAProxySection();

    [GeneratedRegex(@"^(stream|http|events|upstream|server|location|split_clients|map|geo|mail|match)\b[^=;]*\{", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NginxBlock();

    [GeneratedRegex(@"^[a-z][a-z0-9_]*(\s+[^=:][^;{}]*)?;", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NginxLine();

    [GeneratedRegex(@"^(\{\s*)?""?actorlb""?\s*([.{=:]|$)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex OwnRoot();
}
