using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Fleet;

/// <summary>One node of a fleet: its files, its ports, which outlive its process, and the process while there is one.</summary>
/// <param name="peer">Where the other nodes find it; null takes a free port.</param>
/// <param name="address">Null is loopback.</param>
/// <param name="token">Of the admin endpoint, which asks for one where it is not on loopback.</param>
/// <param name="through">A command that runs the node where its address is.</param>
internal sealed class FleetNodeProcess(
    string name, string folder, IPEndPoint? peer = null, IPAddress? address = null, string? token = null, IReadOnlyList<string>? through = null) : IAsyncDisposable
{
    private ActorLbProcess? _process;

    // The process that was started is not the one that serves.
    private bool _isUpgraded;

    public string Name => name;

    public IPEndPoint Front { get; } = new(address ?? IPAddress.Loopback, Ports.Free());

    public IPEndPoint Secure { get; } = new(address ?? IPAddress.Loopback, Ports.Free());

    public IPEndPoint Admin { get; } = new(address ?? IPAddress.Loopback, Ports.Free());

    public IPEndPoint Peer { get; } = peer ?? new IPEndPoint(address ?? IPAddress.Loopback, Ports.Free());

    public string ConfigurationFile { get; } = Path.Combine(folder, name + ".conf");

    public string PidFile { get; } = Path.Combine(folder, name + ".pid");

    public bool IsRunning => _process is not null && (_isUpgraded || !_process.Process.HasExited);

    public ProcessHost Process => _process?.Process ?? throw new InvalidOperationException($"{name} does not run");

    public HttpClient Http => _process?.Admin ?? throw new InvalidOperationException($"{name} does not run");

    public async Task StartAsync() => _process = await ActorLbProcess.StartAsync(
        ConfigurationFile, Admin, through is null ? null : SystemPath.Environment, token, through);

    /// <summary>Changes the file and has the node read it, by the command.</summary>
    public async Task ReloadAsync(Func<string, string> change)
    {
        string before = await File.ReadAllTextAsync(ConfigurationFile);
        string after = change(before);
        Assert.NotEqual(before, after);
        await File.WriteAllTextAsync(ConfigurationFile, after);
        var result = await ActorLbProcess.RunAsync("reload", "-c", ConfigurationFile);
        Assert.True(result.ExitCode == 0, result.Output);
    }

    /// <summary>Has another process of the program take this one's place, by the command; that process ends when its clients have left.</summary>
    public async Task UpgradeAsync()
    {
        var result = await ActorLbProcess.RunAsync("upgrade", "-c", ConfigurationFile);
        Assert.True(result.ExitCode == 0, $"{result.Output}\n{Process.Output}");
        _isUpgraded = true;
    }

    /// <summary>SIGSTOP and, after the time, SIGCONT: as a machine that hangs.</summary>
    public async Task FreezeAsync(TimeSpan time)
    {
        Process.Signal(19);
        await Task.Delay(time);
        Process.Signal(18);
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        Process.Signal(9);
        await Process.WaitForExitAsync();
        await DisposeAsync();
    }

    /// <summary>As an operator stops a node, by the command.</summary>
    public async Task<ProcessResult> StopAsync()
    {
        var result = await ActorLbProcess.RunAsync("stop", "-c", ConfigurationFile);
        await Process.WaitForExitAsync();
        await DisposeAsync();
        return result;
    }

    public async Task<JsonElement> GetAsync(string path) =>
        await Http.GetFromJsonAsync<JsonElement>(new Uri("api/v1/" + path, UriKind.Relative));

    /// <summary>A change over the admin API; it must be accepted.</summary>
    public async Task ChangeAsync(HttpMethod method, string path, object? body = null) =>
        Assert.Null(await TryChangeAsync(method, path, body));

    /// <returns>Null when it was accepted, else what was answered.</returns>
    public async Task<string?> TryChangeAsync(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri("api/v1/" + path, UriKind.Relative));
        if (body is not null)
            request.Content = JsonContent.Create(body);
        using var answer = await Http.SendAsync(request);
        return answer.IsSuccessStatusCode ? null : $"{method} {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
    }

    /// <summary>The metrics by name and labels as they are written.</summary>
    public async Task<IReadOnlyDictionary<string, double>> MetricsAsync()
    {
        string page = await Http.GetStringAsync(new Uri("metrics", UriKind.Relative));
        return page.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith('#')).ToDictionary(
            l => l[..l.LastIndexOf(' ')], l => double.Parse(l.AsSpan(l.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture), StringComparer.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is null)
            return;
        await _process.DisposeAsync();
        _process = null;
    }
}
