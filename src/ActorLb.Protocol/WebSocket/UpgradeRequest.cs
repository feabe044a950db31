using System.Text;

namespace ActorLb.Protocol.WebSocket;

public enum MqttSubprotocol : byte { None, Mqtt, MqttV31 }

/// <summary>What a listener requires of upgrade requests.</summary>
/// <param name="path">Compared as bytes, without the query.</param>
/// <param name="hosts">Names without port, ignoring case; empty accepts any.</param>
public sealed class UpgradeRules(string path, params IEnumerable<string> hosts)
{
    private readonly byte[] _path = Encoding.UTF8.GetBytes(path);
    private readonly byte[][] _hosts = hosts.Select(Encoding.UTF8.GetBytes).ToArray();
    private readonly byte[][] _origins = [];

    /// <summary>Origins, such as <c>https://app.example.com</c>, whose pages may connect; empty accepts any. Clients other than browsers
    /// send none and do not need one.</summary>
    public IEnumerable<string> Origins { init => _origins = value.Select(Encoding.ASCII.GetBytes).ToArray(); }

    internal bool PathFits(ReadOnlySpan<byte> path) => path.SequenceEqual(_path);

    internal bool HostFits(ReadOnlySpan<byte> name) => _hosts.Length == 0 || Holds(_hosts, name);

    internal bool OriginFits(ReadOnlySpan<byte> origin) => _origins.Length == 0 || Holds(_origins, origin);

    private static bool Holds(byte[][] known, ReadOnlySpan<byte> name)
    {
        foreach (byte[] one in known)
        {
            if (HttpHead.Equals(one, name)) return true;
        }
        return false;
    }
}

/// <summary>A valid upgrade request as offsets into its bytes.</summary>
public struct UpgradeRequest
{
    /// <summary>Bytes of the head; frames follow.</summary>
    public int TotalLength;

    /// <summary>Path without the query.</summary>
    public FieldRange Path;

    /// <summary>What follows the question mark.</summary>
    public FieldRange Query;

    /// <summary>Name and optional port, from an absolute target if there is one (RFC 9112, 3.2.2).</summary>
    public FieldRange Host;

    /// <summary><see cref="Host"/> without the port.</summary>
    public FieldRange HostName;

    public FieldRange Key;

    /// <summary>The subprotocol to answer with: <c>mqtt</c> when it is offered.</summary>
    public MqttSubprotocol Subprotocol;

    /// <summary>Origin of the page that connects (RFC 6454, 7); absent from clients other than browsers.</summary>
    public FieldRange Origin;

    internal int FieldsOffset;

    /// <summary>As it is sent.</summary>
    public static ReadOnlySpan<byte> NameOf(MqttSubprotocol subprotocol) => subprotocol switch
    {
        MqttSubprotocol.Mqtt => "mqtt"u8,
        MqttSubprotocol.MqttV31 => "mqttv3.1"u8,
        _ => default,
    };
}
