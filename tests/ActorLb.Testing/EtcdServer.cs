using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;

namespace ActorLb.Testing;

/// <param name="Tls">Certificates for the client port; null serves clear text.</param>
/// <param name="Heartbeat">Milliseconds; the election time-out is ten of them. Fast, so that tests need not wait.</param>
/// <param name="Address">Where clients come to; null is loopback.</param>
internal sealed record EtcdServerOptions(EtcdServerTls? Tls = null, int Heartbeat = 50, IPAddress? Address = null);

internal sealed record EtcdServerTls(string Certificate, string Key, string Ca, bool ClientCertificates);

/// <summary>A real etcd of one or three members on loopback, with its data below a folder of its own; all of it goes at dispose.</summary>
internal sealed class EtcdServer : IAsyncDisposable
{
    private readonly string _folder;

    private EtcdServer(string folder, ImmutableArray<EtcdMember> members)
    {
        _folder = folder;
        Members = members;
    }

    public ImmutableArray<EtcdMember> Members { get; }

    public static async Task<EtcdServer> StartAsync(int members = 1, EtcdServerOptions? options = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            // Memory, where there is some: etcd waits for the disk at every write.
            var root = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
            var folder = Directory.CreateDirectory(Path.Combine(root, $"actorlb-etcd-{Guid.NewGuid():N}")).FullName;
            var ports = FreePorts(2 * members, options?.Address ?? IPAddress.Loopback);
            var server = new EtcdServer(
                folder, [.. Enumerable.Range(0, members).Select(i => new EtcdMember(i, ports, folder, options ?? new EtcdServerOptions()))]);
            try
            {
                await server.StartAllAsync();
                return server;
            }
            catch (InvalidOperationException e) when (attempt < 4 && e.Message.Contains("address already in use", StringComparison.Ordinal))
            {
                await server.DisposeAsync();
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        }
    }

    public EtcdOptions Options(string prefix = "/actorlb") =>
        new([.. Members.Select(m => m.Client)], prefix, TimeSpan.FromSeconds(5), null, null, null);

    public async Task StartAllAsync()
    {
        foreach (var member in Members)
        {
            member.Start();
        }

        await Task.WhenAll(Members.Select(m => m.WhenReadyAsync()));
    }

    /// <summary>Kills every member, deletes what they hold and starts them anew, as an operator's mistake would.</summary>
    public async Task WipeAsync()
    {
        foreach (var member in Members)
        {
            member.Kill();
            member.Wipe();
        }

        await StartAllAsync();
    }

    /// <summary>The member that leads, by its own word.</summary>
    public async Task<EtcdMember> LeaderAsync()
    {
        foreach (var member in Members)
        {
            var table = await member.ControlAsync("endpoint", "status", "-w", "fields");
            if (Field(table, "MemberID") is { } id && id == Field(table, "Leader"))
            {
                return member;
            }
        }

        throw new InvalidOperationException("no member leads");
    }

    public ValueTask DisposeAsync()
    {
        foreach (var member in Members)
        {
            member.Kill();
        }

        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static string? Field(string table, string name) =>
        table.Split('\n').FirstOrDefault(l => l.StartsWith($"\"{name}\"", StringComparison.Ordinal))?.Split(':')[1].Trim();

    private static int[] FreePorts(int count, IPAddress address)
    {
        var sockets = Enumerable.Range(0, count).Select(_ => new TcpListener(address, 0)).ToArray();
        try
        {
            return [.. sockets.Select(s =>
            {
                s.Start();
                return ((IPEndPoint)s.LocalEndpoint).Port;
            })];
        }
        finally
        {
            Array.ForEach(sockets, s => s.Dispose());
        }
    }
}

/// <summary>One member's process.</summary>
internal sealed class EtcdMember
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    private readonly string _data;
    private readonly string[] _arguments;
    private readonly EtcdServerTls? _tls;
    private readonly Queue<string> _output = new();
    private Process? _process;

    public EtcdMember(int index, int[] ports, string folder, EtcdServerOptions options)
    {
        var count = ports.Length / 2;
        _tls = options.Tls;
        _data = Path.Combine(folder, $"m{index}");
        Client = new Uri($"{(_tls is null ? "http" : "https")}://{options.Address ?? IPAddress.Loopback}:{ports[index]}");
        var peer = $"http://127.0.0.1:{ports[count + index]}";
        List<string> arguments =
        [
            "--name", $"m{index}", "--data-dir", _data, "--log-level", "warn", "--logger", "zap",
            "--listen-client-urls", Url, "--advertise-client-urls", Url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", string.Join(',', Enumerable.Range(0, count).Select(i => $"m{i}=http://127.0.0.1:{ports[count + i]}")),
            "--heartbeat-interval", $"{options.Heartbeat}", "--election-timeout", $"{options.Heartbeat * 10}",
        ];
        if (_tls is not null)
        {
            arguments.AddRange(["--cert-file", _tls.Certificate, "--key-file", _tls.Key, "--trusted-ca-file", _tls.Ca]);
            if (_tls.ClientCertificates)
            {
                arguments.Add("--client-cert-auth");
            }
        }

        _arguments = [.. arguments];
    }

    public Uri Client { get; }

    // etcd takes no path, not even a slash.
    private string Url => Client.ToString().TrimEnd('/');

    public void Start()
    {
        var start = new ProcessStartInfo("etcd", _arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) => Keep(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += OnExit;
    }

    /// <summary>Waits until the member serves linearizable reads, so it has a leader.</summary>
    public async Task WhenReadyAsync()
    {
        var patience = Stopwatch.StartNew();
        while (patience.Elapsed < StartTimeout)
        {
            if (_process is not { HasExited: false })
            {
                throw new InvalidOperationException($"etcd ended: {Output()}");
            }

            // etcdctl itself waits for the port and a leader, up to its time-out.
            var answer = await ControlAsync("--command-timeout=5s", "--dial-timeout=5s", "get", "ready", "--consistency=l");
            if (!answer.Contains("Error", StringComparison.Ordinal))
            {
                return;
            }

            if (answer.Contains("user name is empty", StringComparison.Ordinal))
            {
                return;
            }
        }

        throw new InvalidOperationException($"etcd was not ready within {StartTimeout}: {Output()}");
    }

    /// <summary>kill -9, and waits until the process is gone.</summary>
    public void Kill()
    {
        if (_process is null)
        {
            return;
        }

        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    /// <summary>SIGSTOP: connections stay open and nothing answers.</summary>
    public void Pause() => Signal("STOP");

    /// <summary>SIGCONT.</summary>
    public void Resume() => Signal("CONT");

    /// <summary>Deletes the data of a killed member.</summary>
    public void Wipe() => Directory.Delete(_data, recursive: true);

    /// <summary>Runs etcdctl against this member.</summary>
    /// <returns>Both outputs.</returns>
    public async Task<string> ControlAsync(params string[] arguments)
    {
        List<string> all = ["--endpoints", Url];
        if (_tls is not null)
        {
            all.AddRange(["--cacert", _tls.Ca, "--cert", _tls.Certificate, "--key", _tls.Key]);
        }

        all.AddRange(arguments);
        var start = new ProcessStartInfo("etcdctl", all) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ETCDCTL_API"] = "3";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return output + await error;
    }

    private void Signal(string name)
    {
        using var process = Process.Start("kill", [$"-{name}", $"{_process!.Id}"]);
        process.WaitForExit();
    }

    private void OnExit(object? sender, EventArgs e) => Kill();

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.Enqueue(line);
            if (_output.Count > 60)
            {
                _output.Dequeue();
            }
        }
    }

    private string Output()
    {
        lock (_output)
        {
            return string.Join('\n', _output);
        }
    }
}
