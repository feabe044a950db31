using System.Net;
using System.Text;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>
/// A complete MQTT 3.1.1 exchange, over WebSocket if the pool uses it: CONNECT, CONNACK, DISCONNECT. Any CONNACK means alive,
/// including refused credentials, except return code 3, server unavailable, with which the broker itself says that it is not.
/// </summary>
/// <param name="opener">Opens the connection.</param>
/// <param name="own">Provides the client id, and detects when the node receives it itself.</param>
/// <param name="webSocket">Host and path of a backend that uses WebSocket frames; null for plain MQTT.</param>
internal sealed class MqttProbe(ProbeStream opener, OwnProbes own, (string Host, string Path)? webSocket = null) : IHealthProbe
{
    private const byte Accepted = 0;
    private const byte ServerUnavailable = 3;

    private static readonly byte[] Disconnect = [0xE0, 0x00];

    private readonly Greeting _greeting = new(own);

    public string Name => webSocket is null ? "mqtt" : "websocket";

    public string Owed => opener.Owed;

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancel)
    {
        try
        {
            var connection = await opener.OpenAsync(endPoint, cancel).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                return Sharpen(await GreetAsync(connection, cancel).ConfigureAwait(false));
            }
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }

    /// <summary>If this node refused its own probe, the backend is the node itself, whatever the route.</summary>
    private ProbeResult Sharpen(ProbeResult result) =>
        own.TakeArrival(_greeting.Number) is { } listener && !result.Alive
            ? ProbeResult.Itself($"is this node itself: its probe arrived at listener {listener}") : result;

    /// <summary>The first packet, and the number of its client id.</summary>
    private sealed class Greeting
    {
        public Greeting(OwnProbes own)
        {
            (Number, string clientId) = own.Next();
            Connect = BuildConnect(clientId);
        }

        public long Number { get; }

        public byte[] Connect { get; }
    }

    private async ValueTask<ProbeResult> GreetAsync(ProbeConnection connection, CancellationToken cancel)
    {
        var stream = connection.Stream;
        ProbeWebSocket? framed = null;
        if (webSocket is { } target)
        {
            opener.Owed = "no answer to the upgrade";
            (framed, var upgraded) = await ProbeWebSocket.UpgradeAsync(stream, target.Host, target.Path, cancel).ConfigureAwait(false);
            if (framed is null)
            {
                await connection.EndAsync(first: true, cancel).ConfigureAwait(false);
                return upgraded;
            }

            stream = framed;
        }

        opener.Owed = "no CONNACK";
        await stream.WriteAsync(_greeting.Connect, cancel).ConfigureAwait(false);
        byte[] answer = new byte[4];
        int read = await stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancel).ConfigureAwait(false);
        var result = Judge(answer.AsSpan(0, read));
        await LeaveAsync(stream, framed, accepted: result.Alive && answer[3] == Accepted, cancel).ConfigureAwait(false);
        await connection.EndAsync(first: true, cancel).ConfigureAwait(false);
        return result;
    }

    /// <summary>Avoids an error in the broker's log; the verdict does not depend on it.</summary>
    private static async ValueTask LeaveAsync(Stream stream, ProbeWebSocket? framed, bool accepted, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        end.CancelAfter(ProbeConnection.EndTime);
        try
        {
            if (accepted)
            {
                await stream.WriteAsync(Disconnect, end.Token).ConfigureAwait(false);
            }

            if (framed is not null)
            {
                await framed.CloseAsync(end.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The broker has already closed, or does not.
        }
    }

    /// <summary>CONNACK of MQTT 3.1.1, section 3.2: 0x20 0x02 flags code.</summary>
    internal static ProbeResult Judge(ReadOnlySpan<byte> answer) => answer switch
    {
        [] => ProbeResult.Failed("closed without a CONNACK"),
        [0x20, 0x02, _, ServerUnavailable] => ProbeResult.RefusedBy("CONNACK 3, server unavailable"),
        [0x20, 0x02, _, _] => ProbeResult.Ok,
        { Length: < 4 } => ProbeResult.Failed($"closed after {answer.Length} bytes of {Convert.ToHexString(answer)}"),
        _ => ProbeResult.Failed($"not a CONNACK: {Convert.ToHexString(answer)}"),
    };

    /// <summary>CONNECT of MQTT 3.1.1, section 3.1, with a clean session and a keep-alive of 10 s.</summary>
    internal static byte[] BuildConnect(string clientId)
    {
        // The packet's length must fit in one byte: 12 + id below 128. A long node name keeps its end, where names differ.
        byte[] id = Encoding.UTF8.GetBytes(clientId);
        while (id.Length > 100)
        {
            clientId = clientId[1..];
            id = Encoding.UTF8.GetBytes(clientId);
        }

        return [0x10, (byte)(12 + id.Length), 0x00, 0x04, .. "MQTT"u8, 0x04, 0x02, 0x00, 0x0A, 0x00, (byte)id.Length, .. id];
    }
}
