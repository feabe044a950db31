using System.Text;

namespace ActorLb.Testing.Peers;

/// <summary>CONNECTs written out by hand (MQTT 3.1.1 section 3.1, MQTT 5 section 3.1), so that nothing is tested with its own codec.</summary>
internal static class ConnectBytes
{
    private const byte CleanFlag = 0x02;
    private const byte UserFlag = 0x80;
    private const byte PasswordFlag = 0x40;

    /// <param name="version">Protocol level: 3 for MQTT 3.1, 4 for 3.1.1, 5 for 5.</param>
    /// <param name="properties">MQTT 5: encoded, without their length.</param>
    public static byte[] Of(
        int version, string clientId, int keepAlive = 60, string? user = null, string? password = null, byte[]? properties = null)
    {
        byte flags = CleanFlag;
        if (user is not null)
            flags |= UserFlag;
        if (password is not null)
            flags |= PasswordFlag;
        byte[] body =
        [
            .. Text(version == 3 ? "MQIsdp" : "MQTT"), (byte)version, flags, (byte)(keepAlive >> 8), (byte)keepAlive,
            .. version == 5 ? (byte[])[.. Length(properties?.Length ?? 0), .. properties ?? []] : [],
            .. Text(clientId), .. user is null ? [] : Text(user), .. password is null ? [] : Text(password),
        ];
        return [0x10, .. Length(body.Length), .. body];
    }

    public static byte[] V311(string clientId, int keepAlive = 60) => Of(4, clientId, keepAlive);

    public static byte[] V5(string clientId, int keepAlive = 60, byte[]? properties = null) =>
        Of(5, clientId, keepAlive, properties: properties);

    /// <summary>A PUBLISH with QoS 0 for MQTT 3.x (3.1.1 section 3.3).</summary>
    public static byte[] Publish(string topic, ReadOnlySpan<byte> payload)
    {
        byte[] name = Text(topic);
        return [0x30, .. Length(name.Length + payload.Length), .. name, .. payload];
    }

    /// <summary>The protocol level of a whole CONNECT, without the highest bit that bridges set.</summary>
    public static int LevelOf(ReadOnlySpan<byte> connect)
    {
        int at = 1;
        while ((connect[at] & 0x80) != 0)
            at++;
        return connect[at + 3 + connect[at + 2]] & 0x7F;
    }

    public static byte[] Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return [(byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];
    }

    /// <summary>A variable byte integer (MQTT 5 section 1.5.5).</summary>
    public static byte[] Length(int value)
    {
        var bytes = new List<byte>();
        do
        {
            int digit = value & 0x7F;
            value >>= 7;
            bytes.Add((byte)(value > 0 ? digit | 0x80 : digit));
        }
        while (value > 0);
        return [.. bytes];
    }
}
