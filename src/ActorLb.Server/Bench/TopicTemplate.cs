using System.Globalization;

namespace ActorLb.Server.Bench;

/// <summary>A topic in which <c>%c</c> stands for the client's number and <c>%u</c> for the user name.</summary>
internal static class TopicTemplate
{
    public static string Expand(string template, int client, string? userName) => template
        .Replace("%c", client.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("%u", userName ?? "", StringComparison.Ordinal);

    /// <summary>The filter that matches every client's topic: a level with <c>%c</c> in it becomes <c>+</c>.</summary>
    public static string Filter(string template, string? userName) => string.Join('/', template.Split('/')
        .Select(level => level.Contains("%c", StringComparison.Ordinal) ? "+" : level.Replace("%u", userName ?? "", StringComparison.Ordinal)));

    /// <summary>What makes it invalid as a topic to publish to (MQTT 5, 4.7.3), or null.</summary>
    public static string? Fault(string template) =>
        template.Length == 0 ? "a topic must have at least one character"
        : template.AsSpan().IndexOfAny('+', '#', '\0') >= 0 ? "a topic to publish to must not contain wildcards or NUL"
        : System.Text.Encoding.UTF8.GetByteCount(template) > ushort.MaxValue - 32 ? "the topic is longer than 65,535 bytes"
        : null;
}
