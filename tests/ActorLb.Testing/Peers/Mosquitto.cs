using System.Globalization;
using System.Net;
using System.Text;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <param name="Certificate">PEM file; with <paramref name="Key"/> the listener speaks TLS.</param>
/// <param name="Ca">PEM file of the authority of client certificates, which are then demanded.</param>
internal sealed record MosquittoTls(string Certificate, string Key, string? Ca = null);

/// <param name="Settings">Lines for the listener as mosquitto.conf(5) has them, e.g. <c>max_connections 3</c>.</param>
internal sealed record MosquittoListener(
    bool WebSocket = false, MosquittoTls? Tls = null, IReadOnlyList<string>? Settings = null, IPEndPoint? EndPoint = null);

internal sealed record MosquittoOptions
{
    /// <summary>Without any: one plain MQTT listener.</summary>
    public IReadOnlyList<MosquittoListener> Listeners { get; init; } = [new()];

    /// <summary>User names and passwords; with any, nobody else gets in.</summary>
    public IReadOnlyDictionary<string, string> Users { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Lines for the whole broker.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}

/// <param name="Address">Where the connection came from, as the broker saw it.</param>
/// <param name="Version">The protocol level: 3 for MQTT 3.1, 4 for 3.1.1, 5 for 5.</param>
internal sealed record MosquittoClient(string Id, IPEndPoint Address, int Version, int KeepAlive);

/// <summary>A mosquitto broker on loopback, without persistence; its log tells who is connected.</summary>
internal sealed class Mosquitto : IAsyncDisposable
{
    private readonly TempFolder _folder;

    private Mosquitto(ProcessHost process, TempFolder folder, IReadOnlyList<IPEndPoint> endPoints)
    {
        Process = process;
        _folder = folder;
        EndPoints = endPoints;
    }

    public ProcessHost Process { get; }

    /// <summary>Addresses in the order of the listeners.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    public IPEndPoint EndPoint => EndPoints[0];

    /// <summary>Every session that was accepted, in order, those gone included.</summary>
    public IReadOnlyList<MosquittoClient> Accepted => [.. Process.Lines.Select(Parse).OfType<MosquittoClient>()];

    /// <summary>Client ids connected now.</summary>
    public IReadOnlySet<string> Connected
    {
        get
        {
            var connected = new HashSet<string>(StringComparer.Ordinal);
            foreach (string line in Process.Lines)
            {
                if (Parse(line) is { } client)
                    connected.Add(client.Id);
                else if (Gone(line) is { } id)
                    connected.Remove(id);
            }

            return connected;
        }
    }

    public static Task<Mosquitto> StartAsync(MosquittoOptions? options = null) => Attempts.StartAsync(async () =>
    {
        options ??= new MosquittoOptions();
        var folder = new TempFolder();
        var endPoints = options.Listeners.Select(l => l.EndPoint ?? Ports.FreeEndPoint()).ToArray();
        var host = (ProcessHost?)null;
        try
        {
            if (options.Users.Count > 0)
                await WritePasswordsAsync(folder, options.Users);
            string file = folder.Write("mosquitto.conf", Configuration(options, endPoints, folder));
            host = ProcessHost.Start("mosquitto", ["-c", file], Environment);
            await host.WaitForLineAsync(line => line.EndsWith(" running", StringComparison.Ordinal));
            foreach (var endPoint in endPoints)
                await host.WaitForPortAsync(endPoint);
            return new Mosquitto(host, folder, endPoints);
        }
        catch
        {
            if (host is not null)
                await host.DisposeAsync();
            folder.Dispose();
            throw;
        }
    });

    public async Task<MosquittoClient> WaitForClientAsync(string id) =>
        Parse(await Process.WaitForLineAsync(line => Parse(line)?.Id == id))!;

    /// <summary>Waits until so many sessions were accepted: what the log says may come after the client's CONNACK.</summary>
    public static Task WaitForSessionsAsync(int count, params IReadOnlyList<Mosquitto> brokers) =>
        brokers[0].Process.WaitUntilAsync(() => Task.FromResult(brokers.Sum(b => b.Accepted.Count) >= count));

    public Task WaitForGoneAsync(string id) => WaitForGoneAsync(gone => gone == id);

    public Task WaitForGoneAsync(Func<string, bool> id) => Process.WaitForLineAsync(line => Gone(line) is { } gone && id(gone));

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        _folder.Dispose();
    }

    // Daemons of Debian live in sbin, which is not on everybody's path.
    internal static readonly IReadOnlyDictionary<string, string?> Environment = new Dictionary<string, string?>(StringComparer.Ordinal)
    {
        ["PATH"] = System.Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/usr/local/sbin",
    };

    private static async Task WritePasswordsAsync(TempFolder folder, IReadOnlyDictionary<string, string> users)
    {
        string file = folder.Write("passwords", "");
        foreach (var (user, password) in users)
        {
            var result = await ProcessHost.RunAsync("mosquitto_passwd", ["-b", file, user, password]);
            if (result.ExitCode != 0)
                throw new InvalidOperationException($"mosquitto_passwd refused the user {user}: {result.Output}");
        }
    }

    private static string Configuration(MosquittoOptions options, IPEndPoint[] endPoints, TempFolder folder)
    {
        // "user root" keeps a broker started by root from giving up the right to read the files of the test.
        var text = new StringBuilder("""
            user root
            persistence false
            connection_messages true
            log_dest stderr
            log_type error
            log_type warning
            log_type notice
            log_type information
            per_listener_settings true

            """);
        foreach (string line in options.Settings)
            text.Append(line).Append('\n');
        for (int i = 0; i < endPoints.Length; i++)
        {
            var listener = options.Listeners[i];
            text.Append(CultureInfo.InvariantCulture, $"listener {endPoints[i].Port} {endPoints[i].Address}\n");
            text.Append(listener.WebSocket ? "protocol websockets\n" : "protocol mqtt\n");
            text.Append(options.Users.Count > 0
                ? $"allow_anonymous false\npassword_file {folder["passwords"]}\n"
                : "allow_anonymous true\n");
            if (listener.Tls is { } tls)
            {
                text.Append(CultureInfo.InvariantCulture, $"certfile {tls.Certificate}\nkeyfile {tls.Key}\n");
                if (tls.Ca is not null)
                    text.Append(CultureInfo.InvariantCulture, $"cafile {tls.Ca}\nrequire_certificate true\n");
            }

            foreach (string line in listener.Settings ?? [])
                text.Append(line).Append('\n');
        }

        return text.ToString();
    }

    // "1700000000: New client connected from 127.0.0.1:40000 as ID (p2, c1, k60)."; the id may hold any character.
    private static MosquittoClient? Parse(string line)
    {
        const string Mark = ": New client connected from ";
        int at = line.IndexOf(Mark, StringComparison.Ordinal);
        if (at < 0)
            return null;
        var rest = line.AsSpan(at + Mark.Length);
        int name = rest.IndexOf(" as ", StringComparison.Ordinal);
        int tail = rest.LastIndexOf(" (p", StringComparison.Ordinal);
        if (name < 0 || tail < name || !TryParseAddress(rest[..name], out var address))
            return null;
        int version = rest[tail + 3] switch { '1' => 3, '2' => 4, var other => other - '0' };
        var keepAlive = rest[tail..];
        int k = keepAlive.IndexOf(", k", StringComparison.Ordinal);
        var digits = keepAlive[(k + 3)..];
        digits = digits[..digits.IndexOfAnyExceptInRange('0', '9')];
        return new MosquittoClient(
            rest[(name + 4)..tail].ToString(), address, version, int.Parse(digits, CultureInfo.InvariantCulture));
    }

    private static bool TryParseAddress(ReadOnlySpan<char> text, out IPEndPoint address)
    {
        int colon = text.LastIndexOf(':');
        address = new IPEndPoint(IPAddress.None, 0);
        if (colon < 0 || !IPAddress.TryParse(text[..colon], out var ip)
            || !int.TryParse(text[(colon + 1)..], CultureInfo.InvariantCulture, out int port))
        {
            return false;
        }

        address = new IPEndPoint(ip, port);
        return true;
    }

    // "Client ID disconnected.", "Client ID closed its connection.", "Client ID has exceeded timeout, disconnecting.", ...
    private static string? Gone(string line)
    {
        const string Mark = ": Client ";
        int at = line.IndexOf(Mark, StringComparison.Ordinal);
        if (at < 0)
            return null;
        string rest = line[(at + Mark.Length)..];
        foreach (string end in (ReadOnlySpan<string>)
            [" disconnected", " closed its connection", " has exceeded timeout", " already connected, closing old connection"])
        {
            int stop = rest.IndexOf(end, StringComparison.Ordinal);
            if (stop >= 0)
                return rest[..stop];
        }

        return null;
    }
}
