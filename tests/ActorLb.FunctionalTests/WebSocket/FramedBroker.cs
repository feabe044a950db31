using ActorLb.Protocol.WebSocket;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>A script that speaks WebSocket as a broker does, as far as the CONNACK, and leaves every later byte to the test.</summary>
internal static class FramedBroker
{
    /// <param name="then">Goes on when the CONNACK is sent.</param>
    public static FakeBrokerScript Accepting(FakeBrokerScript then) => Upgrading(async (connection, stop) =>
    {
        byte[] connack = FakeBroker.ConnackBytes(0, LevelOf(connection.Received));
        await connection.SendAsync((byte[])[0x82, (byte)connack.Length, .. connack], stop);
        await then(connection, stop);
    });

    /// <param name="then">Goes on when the CONNECT has come, in a WebSocket frame.</param>
    public static FakeBrokerScript Upgrading(FakeBrokerScript then) => async (connection, stop) =>
    {
        while (connection.Received.AsSpan().IndexOf("\r\n\r\n"u8) < 0)
            await connection.ReadSomeAsync(stop);
        await connection.SendAsync(Switching(connection.Received), stop);
        // The CONNECT's frame is not split: the node writes it whole.
        while (connection.Received.AsSpan().EndsWith("\r\n\r\n"u8))
            await connection.ReadSomeAsync(stop);
        await then(connection, stop);
    };

    /// <summary>The protocol level in the masked frame behind the request, of a CONNECT of less than 126 bytes.</summary>
    private static int LevelOf(byte[] received)
    {
        var frame = received.AsSpan(received.AsSpan().IndexOf("\r\n\r\n"u8) + 4);
        // Fixed header 2, name 6, level; the mask is 4 bytes long.
        const int At = 8;
        return frame[6 + At] ^ frame[2 + (At & 3)];
    }

    private static byte[] Switching(byte[] request)
    {
        var name = "Sec-WebSocket-Key: "u8;
        var key = request.AsSpan(request.AsSpan().IndexOf(name) + name.Length, AcceptKey.KeyLength);
        byte[] response = new byte[UpgradeResponse.MaxLength];
        return response[..UpgradeResponse.Write(response, key, MqttSubprotocol.Mqtt)];
    }
}
