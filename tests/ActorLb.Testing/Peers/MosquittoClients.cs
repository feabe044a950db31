using System.Globalization;
using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>The command line clients mosquitto_pub and mosquitto_sub.</summary>
internal static class MosquittoClients
{
    /// <param name="version">As the tools name it: mqttv31, mqttv311 or mqttv5.</param>
    public static async Task PublishAsync(
        IPEndPoint broker, string topic, string payload, int qos = 0, bool retain = false,
        string version = "mqttv311", params IEnumerable<string> more)
    {
        var result = await ProcessHost.RunAsync("mosquitto_pub",
            [.. Common(broker, topic, qos, version), "-m", payload, .. retain ? (string[])["-r"] : [], .. more]);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"mosquitto_pub ended with {result.ExitCode}: {result.Output}");
    }

    /// <summary>Starts a subscriber and waits for its subscription; its lines are the messages, after mosquitto_sub's own.</summary>
    public static async Task<MosquittoSubscriber> SubscribeAsync(
        IPEndPoint broker, string topic, int qos = 0, string version = "mqttv311", params IEnumerable<string> more)
    {
        // %r retained, %q QoS, %t topic, %p payload. Debug output tells of the SUBACK.
        var host = ProcessHost.Start(
            "stdbuf", ["-oL", "mosquitto_sub", .. Common(broker, topic, qos, version), "-d", "-F", "message %r %q %t %p", .. more]);
        try
        {
            await host.WaitForLineAsync(line => line.StartsWith("Subscribed (", StringComparison.Ordinal));
            return new MosquittoSubscriber(host);
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    private static string[] Common(IPEndPoint broker, string topic, int qos, string version) =>
    [
        "-h", broker.Address.ToString(), "-p", broker.Port.ToString(CultureInfo.InvariantCulture),
        "-t", topic, "-q", qos.ToString(CultureInfo.InvariantCulture), "-V", version,
    ];
}

internal sealed record MosquittoMessage(bool Retain, int Qos, string Topic, string Payload);

internal sealed class MosquittoSubscriber(ProcessHost process) : IAsyncDisposable
{
    private int _read;

    public ProcessHost Process { get; } = process;

    public async Task<MosquittoMessage> NextMessageAsync()
    {
        int seen = 0;
        int wanted = ++_read;
        string line = await Process.WaitForLineAsync(
            l => l.StartsWith("message ", StringComparison.Ordinal) && ++seen == wanted);
        string[] parts = line.Split(' ', 5);
        return new MosquittoMessage(parts[1] == "1", parts[2][0] - '0', parts[3], parts[4]);
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
