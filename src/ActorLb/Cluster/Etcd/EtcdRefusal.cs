using System.Net;
using System.Text.Json;

namespace ActorLb.Cluster.Etcd;

/// <summary>An error that a member answered with, read from any of the gateway's forms.</summary>
/// <param name="Code">gRPC status code; -1 when the answer is not of the gateway's forms.</param>
internal sealed record EtcdRefusal(HttpStatusCode Status, int Code, string Message)
{
    private const int LongestMessage = 200;

    public bool IsTokenRefused => EtcdStatus.IsTokenRefused(Code, Message);

    public bool IsUserMissing => Message.Contains("user name is empty", StringComparison.Ordinal);

    public EtcdError Classify(bool write) => Code < 0 ? EtcdStatus.Classify(Status, write) : EtcdStatus.Classify(Code, Message, write);

    public EtcdException ToException(string call, Uri endpoint, bool write)
    {
        var error = Classify(write);
        var what = error switch
        {
            EtcdError.Protocol => $"HTTP {(int)Status}, not an answer of etcd's JSON gateway",
            _ when Message.Length == 0 => $"HTTP {(int)Status}",
            _ => Message,
        };
        return new EtcdException(error, $"etcd {call} at {endpoint.Authority}: {what}");
    }

    /// <summary>A streaming method can fail after HTTP 200 was sent; its line then starts so.</summary>
    public static bool IsIn(ReadOnlySpan<byte> body) => body.StartsWith("{\"error\""u8);

    public static EtcdRefusal Read(HttpStatusCode status, ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object)
            {
                if (root.TryGetProperty("error", out var stream) && stream.ValueKind == JsonValueKind.Object)
                {
                    return new EtcdRefusal(status, Number(stream, "grpc_code"), Text(stream, "message"));
                }

                return new EtcdRefusal(status, Number(root, "code"), Text(root, "message"));
            }
        }
        catch (JsonException)
        {
            // Not the gateway's; told by the status alone.
        }

        return new EtcdRefusal(status, -1, "");
    }

    private static int Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) ? n : -1;

    private static string Text(JsonElement element, string name)
    {
        var text = element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        return text.Length <= LongestMessage ? text : text[..LongestMessage];
    }
}
