using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Proxying;

/// <summary>
/// A line per connection, written when it ends: by an own task, so that no reactor waits for a disk. When the writer falls behind by
/// more than <see cref="Capacity"/> lines, or by <see cref="MaxWaitingBytes"/>, lines are dropped and counted.
/// </summary>
internal sealed class AccessLog : IAsyncDisposable
{
    private const int Capacity = 65_536;

    /// <summary>Of the client ids that wait to be written; each may have 65,535 bytes.</summary>
    private const long MaxWaitingBytes = 16 << 20;

    private readonly Channel<Entry> _entries;
    private readonly Task _writing;
    private readonly string _path;
    private readonly LogFormat _format;
    private readonly TimeProvider _time;
    private volatile bool _reopen;
    private long _dropped;
    private long _waitingBytes;

    /// <exception cref="IOException">The file cannot be opened for appending.</exception>
    public AccessLog(string path, LogFormat format, TimeProvider time)
    {
        _path = path;
        _format = format;
        _time = time;
        _entries = System.Threading.Channels.Channel.CreateBounded<Entry>(
            new BoundedChannelOptions(Capacity) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
        TextWriter writer = Open();
        _writing = Task.Run(() => WriteAsync(writer));
    }

    private readonly record struct Entry(
        DateTimeOffset EndedAt, long DurationMs, long ConnackMs, string Listener, NetEndPoint Client, MqttVersion Version, byte[]? ClientId,
        string? Pool, string? Backend, long BytesIn, long BytesOut, long PacketsIn, long PacketsOut, CloseReason Reason);

    public string Path => _path;

    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Opens the file anew before the next line, for log rotation.</summary>
    public void Reopen() => _reopen = true;

    public void Write(Session session, CloseReason reason, long now)
    {
        int length = session.ClientId?.Length ?? 0;
        if (Interlocked.Add(ref _waitingBytes, length) > MaxWaitingBytes)
        {
            Interlocked.Add(ref _waitingBytes, -length);
            Interlocked.Increment(ref _dropped);
            return;
        }
        var entry = new Entry(
            _time.GetUtcNow(), now - session.AcceptedAt, session.EstablishedAt == 0 ? -1 : session.EstablishedAt - session.AcceptedAt,
            session.Listener.Name, session.Remote, session.Version, session.ClientId, session.Pool.Name, session.BackendId,
            session.BytesFromClient, session.BytesFromBackend, session.PacketsFromClient, session.PacketsFromBackend, reason);
        if (_entries.Writer.TryWrite(entry)) return;
        Interlocked.Add(ref _waitingBytes, -length);
        Interlocked.Increment(ref _dropped);
    }

    public async ValueTask DisposeAsync()
    {
        _entries.Writer.Complete();
        await _writing.ConfigureAwait(false);
    }

    private TextWriter Open() => _path == "stdout"
        ? new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false))
        : new StreamWriter(new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite), new UTF8Encoding(false));

    private async Task WriteAsync(TextWriter writer)
    {
        var line = new StringBuilder();
        while (await _entries.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            try
            {
                if (_reopen)
                {
                    _reopen = false;
                    await writer.DisposeAsync().ConfigureAwait(false);
                    writer = Open();
                }
                while (_entries.Reader.TryRead(out Entry entry))
                {
                    Interlocked.Add(ref _waitingBytes, -(entry.ClientId?.Length ?? 0));
                    line.Clear();
                    if (_format == LogFormat.Json) AppendJson(line, entry);
                    else AppendText(line, entry);
                    await writer.WriteLineAsync(line).ConfigureAwait(false);
                }
                await writer.FlushAsync().ConfigureAwait(false);
            }
            catch (IOException)
            {
                // A full disk: what could not be written is lost, counted, and tried again with the next line.
                Interlocked.Increment(ref _dropped);
                _reopen = true;
            }
        }
        await writer.DisposeAsync().ConfigureAwait(false);
    }

    private static void AppendText(StringBuilder line, in Entry e) =>
        line.Append(CultureInfo.InvariantCulture, $"{e.EndedAt:yyyy-MM-ddTHH:mm:ss.fffZ} {e.Client} {e.Listener} mqtt={VersionText(e.Version)} ")
            .Append(CultureInfo.InvariantCulture, $"client=\"{ClientText(e.ClientId)}\" pool={e.Pool} backend={e.Backend ?? "-"} ")
            .Append(CultureInfo.InvariantCulture, $"time={e.DurationMs / 1000.0:F3} connack={(e.ConnackMs < 0 ? "-" : (e.ConnackMs / 1000.0).ToString("F3", CultureInfo.InvariantCulture))} ")
            .Append(CultureInfo.InvariantCulture, $"in={e.BytesIn}/{e.PacketsIn} out={e.BytesOut}/{e.PacketsOut} reason={CloseReasons.Text(e.Reason)}");

    private static void AppendJson(StringBuilder line, in Entry e)
    {
        line.Append(CultureInfo.InvariantCulture, $"{{\"time\":\"{e.EndedAt:yyyy-MM-ddTHH:mm:ss.fffZ}\",\"client\":\"{e.Client}\",\"listener\":");
        line.Append(Quoted(e.Listener)).Append(CultureInfo.InvariantCulture, $",\"mqtt\":\"{VersionText(e.Version)}\",\"client_id\":");
        line.Append(e.ClientId is null ? "null" : Quoted(Encoding.UTF8.GetString(e.ClientId)));
        line.Append(",\"pool\":").Append(e.Pool is null ? "null" : Quoted(e.Pool));
        line.Append(",\"backend\":").Append(e.Backend is null ? "null" : Quoted(e.Backend));
        line.Append(CultureInfo.InvariantCulture, $",\"duration\":{e.DurationMs / 1000.0:F3},\"connack\":{(e.ConnackMs < 0 ? "null" : (e.ConnackMs / 1000.0).ToString("F3", CultureInfo.InvariantCulture))}");
        line.Append(CultureInfo.InvariantCulture, $",\"bytes_in\":{e.BytesIn},\"bytes_out\":{e.BytesOut},\"packets_in\":{e.PacketsIn},\"packets_out\":{e.PacketsOut}");
        line.Append(CultureInfo.InvariantCulture, $",\"reason\":\"{CloseReasons.Text(e.Reason)}\"}}");
    }

    private static string Quoted(string text) => string.Concat("\"", JsonEncodedText.Encode(text).ToString(), "\"");

    private static string VersionText(MqttVersion version) => version switch
    {
        MqttVersion.V31 => "3.1",
        MqttVersion.V311 => "3.1.1",
        MqttVersion.V5 => "5",
        _ => "-",
    };

    /// <summary>A client chooses its id: what could forge a line or hide in a terminal is escaped.</summary>
    private static string ClientText(byte[]? id)
    {
        if (id is null) return "-";
        string text = Encoding.UTF8.GetString(id);
        if (!text.Any(c => c is '"' or '\\' || char.IsControl(c))) return text;
        var escaped = new StringBuilder();
        foreach (char c in text)
        {
            if (c is '"' or '\\' || char.IsControl(c)) escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else escaped.Append(c);
        }
        return escaped.ToString();
    }
}
