using System.Collections.Frozen;
using System.Text;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// Contexts by the name in the client's server_name extension (RFC 6066, section 3): an exact name wins, then the longest
/// wildcard. As in NGINX <c>*.example.com</c> stands for any number of labels, not for <c>example.com</c> itself.
/// </summary>
internal sealed class ServerNames
{
    // RFC 1035, section 2.3.4
    private const int MaxNameLength = 255;

    private readonly FrozenDictionary<string, SslContextHandle> _exact;
    private readonly FrozenDictionary<string, SslContextHandle> _wildcards;

    private ServerNames(Dictionary<string, SslContextHandle> exact, Dictionary<string, SslContextHandle> wildcards)
    {
        _exact = exact.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        _wildcards = wildcards.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
    }

    /// <param name="names">A name given twice goes to the first and is a problem.</param>
    internal static ServerNames Create(IEnumerable<(string Name, SslContextHandle Context)> names, List<TlsProblem> problems)
    {
        var exact = new Dictionary<string, SslContextHandle>(StringComparer.OrdinalIgnoreCase);
        var wildcards = new Dictionary<string, SslContextHandle>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, context) in names)
        {
            var wild = name.StartsWith("*.", StringComparison.Ordinal);
            var key = wild ? name[1..] : name;
            if (key.Length < 2 || key.Contains('*', StringComparison.Ordinal))
            {
                problems.Add(new TlsProblem(
                    TlsSetting.Certificates, null, $"\"{name}\" is no host name and no wildcard like \"*.example.com\""));
            }
            else if (!(wild ? wildcards : exact).TryAdd(key, context))
            {
                problems.Add(new TlsProblem(TlsSetting.Certificates, null, $"\"{name}\" is named twice"));
            }
        }

        return new ServerNames(exact, wildcards);
    }

    /// <returns>Null if no name fits: the default certificate answers.</returns>
    internal SslContextHandle? Find(ReadOnlySpan<byte> name)
    {
        if (name.Length > 0 && name[^1] == '.')
        {
            name = name[..^1];
        }

        if (name.Length is 0 or > MaxNameLength)
        {
            return null;
        }

        Span<char> characters = stackalloc char[MaxNameLength];
        ReadOnlySpan<char> rest = characters[..Encoding.Latin1.GetChars(name, characters)];
        if (_exact.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(rest, out var found))
        {
            return found;
        }

        var wildcards = _wildcards.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var dot = rest.IndexOf('.'); dot >= 0; dot = rest.IndexOf('.'))
        {
            rest = rest[dot..];
            if (wildcards.TryGetValue(rest, out found))
            {
                return found;
            }

            rest = rest[1..];
        }

        return null;
    }
}
