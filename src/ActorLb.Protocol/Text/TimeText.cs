using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ActorLb.Protocol.Text;

/// <summary>The time format of logs, the API and both programs: RFC 3339, UTC, with milliseconds.</summary>
public static class TimeText
{
    public static string Of(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
}

/// <summary>The same in JSON.</summary>
internal sealed class TimeConverter : JsonConverter<DateTimeOffset>
{
    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) => writer.WriteStringValue(TimeText.Of(value));
}
