using System.Text;

namespace ActorLb.Protocol.WebSocket;

public enum MqttSubprotocol : byte { None, Mqtt, MqttV31 }

/// <summary>What a listener's upgrade requests must ask for.</summary>
/// <param name="path">Compared as bytes, without the query.</param>
/// <param name="hosts">Names without port, in any case; empty accepts any.</param>
public sealed class UpgradeRules(string path, params IEnumerable<string> hosts)
{
    private readonly byte[] _path = Encoding.UTF8.GetBytes(path);
    private readonly byte[][] _hosts = hosts.Select(Encoding.UTF8.GetBytes).ToArray();

    internal bool PathFits(ReadOnlySpan<byte> path) => path.SequenceEqual(_path);

    internal bool HostFits(ReadOnlySpan<byte> name)
    {
        if (_hosts.Length == 0) return true;
        foreach (byte[] host in _hosts)
        {
            if (HttpHead.Equals(host, name)) return true;
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

    /// <summary>Behind the question mark.</summary>
    public FieldRange Query;

    /// <summary>Name and perhaps port, from an absolute target if there is one (RFC 9112, 3.2.2).</summary>
    public FieldRange Host;

    /// <summary><see cref="Host"/> without the port.</summary>
    public FieldRange HostName;

    public FieldRange Key;

    /// <summary>The one to answer with: <c>mqtt</c> when it is offered.</summary>
    public MqttSubprotocol Subprotocol;

    /// <summary>The first one; <see cref="UpgradeRequestReader.WriteForwardedFor"/> joins all.</summary>
    public FieldRange ForwardedFor;

    internal int FieldsOffset;

    /// <summary>As it goes on the wire.</summary>
    public static ReadOnlySpan<byte> NameOf(MqttSubprotocol subprotocol) => subprotocol switch
    {
        MqttSubprotocol.Mqtt => "mqtt"u8,
        MqttSubprotocol.MqttV31 => "mqttv3.1"u8,
        _ => default,
    };
}
