using System.Globalization;
using System.Text;
using System.Text.Json;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Text;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Telemetry;

/// <summary>What the access log records about one connection, as one line of text or JSON.</summary>
internal readonly record struct AccessLogEntry(
    DateTimeOffset EndedAt, long DurationMs, long ConnackMs, string Listener, NetEndPoint Client, MqttVersion Version, byte[]? ClientId,
    string? Pool, string? Backend, long BytesIn, long BytesOut, long PacketsIn, long PacketsOut, CloseReason Reason)
{
    /// <summary>A client chooses its id, and DNS the names of backends: anything that could forge a line or control a terminal is
    /// escaped.</summary>
    public void AppendTo(StringBuilder line, LogFormat format)
    {
        if (format == LogFormat.Json) AppendJson(line);
        else AppendText(line);
    }

    private void AppendText(StringBuilder line)
    {
        line.Append(CultureInfo.InvariantCulture, $"{TimeText.Of(EndedAt)} {Client} {Listener} mqtt={VersionText} client=\"");
        SafeText.AppendQuotable(line, ClientId is null ? "-" : Encoding.UTF8.GetString(ClientId));
        line.Append(CultureInfo.InvariantCulture, $"\" pool={Pool} backend={(Backend is null ? "-" : SafeText.Of(Backend))} ")
            .Append(CultureInfo.InvariantCulture, $"time={DurationMs / 1000.0:F3} connack={(ConnackMs < 0 ? "-" : (ConnackMs / 1000.0).ToString("F3", CultureInfo.InvariantCulture))} ")
            .Append(CultureInfo.InvariantCulture, $"in={BytesIn}/{PacketsIn} out={BytesOut}/{PacketsOut} reason={CloseReasons.Text(Reason)}");
    }

    private void AppendJson(StringBuilder line)
    {
        line.Append(CultureInfo.InvariantCulture, $"{{\"time\":\"{TimeText.Of(EndedAt)}\",\"level\":\"info\",\"event\":\"session_ended\",\"client\":\"{Client}\",\"listener\":");
        line.Append(Quoted(Listener)).Append(CultureInfo.InvariantCulture, $",\"mqtt\":\"{VersionText}\",\"client_id\":");
        line.Append(ClientId is null ? "null" : Quoted(Encoding.UTF8.GetString(ClientId)));
        line.Append(",\"pool\":").Append(Pool is null ? "null" : Quoted(Pool));
        line.Append(",\"backend\":").Append(Backend is null ? "null" : Quoted(Backend));
        line.Append(CultureInfo.InvariantCulture, $",\"duration\":{DurationMs / 1000.0:F3},\"connack\":{(ConnackMs < 0 ? "null" : (ConnackMs / 1000.0).ToString("F3", CultureInfo.InvariantCulture))}");
        line.Append(CultureInfo.InvariantCulture, $",\"bytes_in\":{BytesIn},\"bytes_out\":{BytesOut},\"packets_in\":{PacketsIn},\"packets_out\":{PacketsOut}");
        line.Append(CultureInfo.InvariantCulture, $",\"reason\":\"{CloseReasons.Text(Reason)}\"}}");
    }

    /// <summary>Everything but plain ASCII is escaped, which is safe to show anywhere.</summary>
    private static string Quoted(string text) => string.Concat("\"", JsonEncodedText.Encode(text).ToString(), "\"");

    private string VersionText => Version switch
    {
        MqttVersion.V31 => "3.1",
        MqttVersion.V311 => "3.1.1",
        MqttVersion.V5 => "5",
        _ => "-",
    };
}
