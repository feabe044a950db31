using System.Text.RegularExpressions;

namespace ActorLb.Configuration.Import;

/// <summary>Which parts of a directive are secrets. They are neither written to the result nor shown.</summary>
internal static partial class Secrets
{
    public const string Mask = "******";

    /// <summary>A shorter one is replaced in its own place alone: elsewhere the same letters would be other words.</summary>
    private const int ShortestReplaced = 3;

    private static readonly string[] Telling = ["authorization", "token", "secret", "passw", "api-key", "api_key", "apikey", "credential"];

    /// <summary>The directive's words, the secret ones masked.</summary>
    public static IEnumerable<string> MaskedWords(Directive directive) =>
        directive.Words.Select((word, i) => IsSecret(directive, i) ? Mask : Credentials().Replace(word.Text, Mask));

    /// <summary>What must not be quoted in a message about the directive.</summary>
    public static string[] Of(Directive directive) =>
    [
        .. directive.Words.Where((_, i) => IsSecret(directive, i)).Select(w => w.Text)
            .Concat(directive.Words.SelectMany(w => Credentials().Matches(w.Text)).Select(m => m.Value))
            .Where(s => s.Length >= ShortestReplaced).Distinct(StringComparer.Ordinal),
    ];

    public static string Hide(string text, IEnumerable<string> secrets) =>
        secrets.Aggregate(text, (hidden, secret) => hidden.Replace(secret, Mask, StringComparison.Ordinal));

    /// <summary>Whether a word is a secret, judging by the one before it and by how it begins.</summary>
    private static bool IsSecret(Directive directive, int index)
    {
        string word = directive.Words[index].Text, before = index == 0 ? directive.Name : directive.Words[index - 1].Text;
        if (before is "password" or "insecure-password" or "cluster-secret" or "agent-send" or "dynamic-cookie-key") return true;
        if (before.Equals("Authorization", StringComparison.OrdinalIgnoreCase) || IsCredential(word)) return true;
        return directive.Name switch
        {
            "stats" => before == "auth",
            "tcp-check" => before is "send" or "send-lf" or "send-binary" or "send-binary-lf",
            "proxy_set_header" or "add_header" or "set" or "http-request" or "http-response" or "http-check" or "setenv" or "presetenv" => index > 0 && Tells(before),
            _ => false,
        };
    }

    /// <summary>Whether the name of a header or variable says that its value is a secret.</summary>
    private static bool Tells(string name) => Array.Exists(Telling, t => name.Contains(t, StringComparison.OrdinalIgnoreCase));

    private static bool IsCredential(string word) => word.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)
        || word.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || word.Contains("PRIVATE KEY-----", StringComparison.Ordinal);

    /// <summary>User and password in a URL (RFC 3986, section 3.2.1).</summary>
    [GeneratedRegex(@"(?<=://)[^/@\s]*:[^/@\s]*(?=@)", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Credentials();
}
