using ActorLb.Protocol.WebSocket;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>A script that speaks WebSocket as a broker does, as far as the CONNACK, and leaves every later byte to the test.</summary>
internal static class FramedBroker
{
    private static readonly byte[] s_connack = [0x82, 4, 0x20, 2, 0, 0];

    /// <param name="then">Goes on when the CONNACK is sent.</param>
    public static FakeBrokerScript Accepting(FakeBrokerScript then) => async (connection, stop) =>
    {
        while (connection.Received.AsSpan().IndexOf("\r\n\r\n"u8) < 0)
            await connection.ReadSomeAsync(stop);
        await connection.SendAsync(Switching(connection.Received), stop);
        // The CONNECT's frame is not split: the node writes it whole.
        while (connection.Received.AsSpan().EndsWith("\r\n\r\n"u8))
            await connection.ReadSomeAsync(stop);
        await connection.SendAsync(s_connack, stop);
        await then(connection, stop);
    };

    private static byte[] Switching(byte[] request)
    {
        var name = "Sec-WebSocket-Key: "u8;
        var key = request.AsSpan(request.AsSpan().IndexOf(name) + name.Length, AcceptKey.KeyLength);
        var response = new byte[UpgradeResponse.MaxLength];
        return response[..UpgradeResponse.Write(response, key, MqttSubprotocol.Mqtt)];
    }
}
