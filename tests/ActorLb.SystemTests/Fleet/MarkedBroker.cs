using System.Collections.Concurrent;
using System.Net;
using System.Text;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>
/// A broker that names itself in its CONNACK, by the user property <c>b</c> (MQTT 5 section 3.2.2.3.10), so that a client knows where it
/// came to. It keeps who came, too.
/// </summary>
internal sealed class MarkedBroker : IAsyncDisposable
{
    /// <summary>Bytes of the CONNACK of a broker: the number is one digit.</summary>
    public const int ConnackLength = 12;

    private readonly FakeBroker _broker;
    private readonly ConcurrentQueue<string> _came = new();

    public MarkedBroker(int number, IPEndPoint? endPoint = null)
    {
        _broker = FakeBroker.Start(
            async (connection, stop) =>
            {
                byte[] connect = await connection.ReadPacketAsync(stop);
                _came.Enqueue(IdOf(connect));
                await connection.SendAsync(Connack(number), stop);
                await connection.ReadToEndAsync(stop);
            },
            endPoint ?? Ports.FreeEndPoint());
    }

    public IPEndPoint EndPoint => _broker.EndPoint;

    /// <summary>Connections open now.</summary>
    public int Open => _broker.Open;

    /// <summary>Client ids in the order of their CONNECTs.</summary>
    public IReadOnlyCollection<string> Came => _came;

    public static byte[] Connack(int number) => [0x20, 10, 0, 0, 7, 0x26, 0, 1, (byte)'b', 0, 1, (byte)('0' + number)];

    public ValueTask DisposeAsync() => _broker.DisposeAsync();

    /// <summary>Of a CONNECT of MQTT 5 as <see cref="ConnectBytes.V5"/> writes it with a short id and no properties.</summary>
    private static string IdOf(byte[] connect)
    {
        // Fixed header 2, "MQTT" 6, level 1, flags 1, keep-alive 2, property length 1; then the id (MQTT 5 section 3.1).
        const int At = 13;
        return Encoding.UTF8.GetString(connect, At + 2, (connect[At] << 8) | connect[At + 1]);
    }
}
