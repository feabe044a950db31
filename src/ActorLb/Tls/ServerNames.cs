using System.Collections.Frozen;
using System.Text;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Tls;

/// <summary>
/// Contexts by the name in the client's server_name extension (RFC 6066, section 3): an exact name wins, then a
/// wildcard. As in certificates (RFC 9525, section 6.3) <c>*.example.com</c> stands for exactly one label: the certificate shown
/// for <c>a.b.example.com</c> would not be accepted by its client.
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
            bool wild = name.StartsWith("*.", StringComparison.Ordinal);
            // The dot of the root is no part of a server name (RFC 6066, section 3), but people and some clients write it.
            string key = wild ? name[1..] : name;
            key = key.EndsWith('.') ? key[..^1] : key;
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

        int dot = rest.IndexOf('.');
        return dot > 0 && _wildcards.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(rest[dot..], out found) ? found : null;
    }
}
