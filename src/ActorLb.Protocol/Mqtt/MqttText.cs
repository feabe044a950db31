using System.Text.Unicode;

namespace ActorLb.Protocol.Mqtt;

/// <summary>Rules of UTF-8 strings and topic names.</summary>
public static class MqttText
{
    /// <summary>Longest string or binary field: its length has two bytes (MQTT 5, 1.5.4 and 1.5.6).</summary>
    public const int MaxLength = ushort.MaxValue;

    /// <summary>Well-formed UTF-8 without surrogates and without U+0000 (MQTT-1.5.4-1 and -2; 3.1.1: MQTT-1.5.3-1 and -2).</summary>
    public static bool IsValid(ReadOnlySpan<byte> text) => Utf8.IsValid(text) && !text.Contains((byte)0);

    /// <summary>A topic to publish on: not empty, no wildcard (MQTT-4.7.3-1, MQTT-3.3.2-2).</summary>
    public static bool IsTopicName(ReadOnlySpan<byte> topic) => topic.Length > 0 && topic.IndexOfAny((byte)'+', (byte)'#') < 0;
}
