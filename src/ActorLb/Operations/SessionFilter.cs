using System.Net;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Proxying;

namespace ActorLb.Operations;

/// <summary>
/// An operator's session filter: terms separated by blanks, all of which must match. <c>listener=</c>, <c>pool=</c>,
/// <c>backend=</c>, <c>client=</c> and <c>state=</c> compare the whole value, <c>address=</c> the client's address with or
/// without its port, or a network that it is in; a term without a key matches part of the client id.
/// </summary>
internal sealed class SessionFilter
{
    public const string Keys = "client, address, listener, pool, backend, state";

    private readonly List<(string Key, string Value, byte[] Utf8, IPNetwork? Network)> _terms = [];

    private SessionFilter()
    {
    }

    public static SessionFilter All { get; } = new();

    /// <summary>Matches exactly this client id, whatever characters it contains.</summary>
    public static SessionFilter OfClient(string clientId)
    {
        var filter = new SessionFilter();
        filter._terms.Add(("client", clientId, Encoding.UTF8.GetBytes(clientId), null));
        return filter;
    }

    /// <returns>Null with a problem if a key is unknown, or an address is none.</returns>
    public static SessionFilter? TryParse(string? text, out string? problem)
    {
        problem = null;
        var filter = new SessionFilter();
        foreach (string term in (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = term.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? "" : term[..equals];
            string value = term[(equals + 1)..];
            if (key is not ("" or "client" or "address" or "listener" or "pool" or "backend" or "state"))
            {
                problem = $"filter: unknown key '{key}'; keys are: {Keys} (write a client id that contains '=' as client=ID)";
                return null;
            }
            IPNetwork? network = null;
            if (key == "address" && !TryAddress(value, out network, out problem)) return null;
            filter._terms.Add((key, value, Encoding.UTF8.GetBytes(value), network));
        }
        return filter;
    }

    /// <summary>Call it on the session's reactor.</summary>
    public bool Matches(Session session)
    {
        foreach ((string key, string value, byte[] utf8, var network) in _terms)
        {
            bool holds = key switch
            {
                "client" => session.ClientId is { } id && id.AsSpan().SequenceEqual(utf8),
                "address" => network?.Contains(session.Remote.Address) ?? session.Remote.ToString() == value || session.Remote.Address.ToString() == value,
                "listener" => session.Listener.Name == value,
                "pool" => session.Pool.Name == value,
                "backend" => string.Equals(session.Dialled?.Id, value, StringComparison.OrdinalIgnoreCase),
                "state" => SessionDirectory.StateOf(session.Phase) == value,
                _ => session.ClientId is { } part && part.AsSpan().IndexOf(utf8) >= 0,
            };
            if (!holds) return false;
        }
        return true;
    }

    /// <param name="network">Null for an address with its port or its scope, which the text of the client's address is compared with.</param>
    private static bool TryAddress(string text, out IPNetwork? network, out string? problem)
    {
        problem = null;
        network = null;
        if (AddressText.TryNetwork(text, out var found, out string reason))
        {
            network = found;
            return true;
        }
        if (text.Contains(':', StringComparison.Ordinal) && IPEndPoint.TryParse(text, out _)) return true;
        problem = text.Contains('/', StringComparison.Ordinal)
            ? $"filter: address '{text}' {reason}"
            : $"filter: address '{text}' is not an address, with or without a port, or a network such as 198.51.100.0/24";
        return false;
    }
}
