using System.Text;

namespace ActorLb.FunctionalTests.Harness;

/// <summary>Bytes written out by hand, so that the peers are not tested with the codec that they are there to test.</summary>
internal static class Packets
{
    /// <summary>
    /// PROXY protocol 2.2: PROXY command, TCP over IPv4, from 203.0.113.9:4660 to 198.51.100.1:1883, with the TLVs
    /// authority "lb.example" (0x02) and unique id 01 02 (0x05).
    /// </summary>
    public static byte[] ProxyV2 { get; } =
    [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0x00, 30,
        203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x34, 0x07, 0x5B,
        0x02, 0, 10, .. "lb.example"u8, 0x05, 0, 2, 1, 2,
    ];

    /// <summary>CONNECT of MQTT 3.1.1 (section 3.1) with Clean Session and Keep Alive 60.</summary>
    public static byte[] Connect(string clientId)
    {
        byte[] id = Encoding.UTF8.GetBytes(clientId);
        return [0x10, (byte)(12 + id.Length), 0, 4, .. "MQTT"u8, 4, 2, 0, 60, 0, (byte)id.Length, .. id];
    }
}
