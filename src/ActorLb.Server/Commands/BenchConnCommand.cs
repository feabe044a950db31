using System.CommandLine;
using System.Globalization;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.Failures;
using ActorLb.Server.Bench;

namespace ActorLb.Server.Commands;

/// <summary><c>actorlb bench conn</c>: opens clients, keeps them connected, reports.</summary>
internal static class BenchConnCommand
{
    public static Command Create()
    {
        var command = new Command("conn", "Open MQTT clients: time to CONNACK, failures by reason, distribution over the backends");
        var options = new BenchTargetOptions(command);
        var hold = BenchTargetOptions.Duration("--hold", "Time to keep the clients connected once all are open or failed", "0s");
        var admin = new Option<Uri?>("--admin")
        {
            Description = "Admin endpoint of the balancer, such as http://127.0.0.1:8888, to show the distribution over the backends",
            HelpName = "url",
            CustomParser = result =>
            {
                if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https") return uri;
                result.AddError($"--admin: '{result.Tokens[0].Value}' is not an http:// or https:// address");
                return null;
            },
        };
        var token = new Option<FileInfo?>("--admin-token-file") { Description = "File with the admin endpoint's token" };
        command.Add(hold);
        command.Add(admin);
        command.Add(token);
        command.SetAction((parsed, cancel) => BenchCommand.GuardAsync(parsed, async stop =>
        {
            var target = options.Read(parsed);
            using var distribution = parsed.GetValue(admin) is { } uri
                ? new BackendDistribution(uri, await ReadTokenAsync(parsed.GetValue(token), stop))
                : null;
            return await RunAsync(target, parsed.GetValue(options.Clients), TimeSpan.FromMilliseconds(parsed.GetValue(options.Interval)),
                parsed.GetValue(hold) ?? TimeSpan.Zero, distribution, BenchConsole.ForProcess(), TimeProvider.System, stop);
        }, cancel));
        return command;
    }

    /// <returns>0 when all clients connected and none was lost; otherwise 1.</returns>
    public static async Task<int> RunAsync(
        BenchTarget target, int count, TimeSpan interval, TimeSpan hold, BackendDistribution? distribution, BenchConsole console,
        TimeProvider time, CancellationToken stop)
    {
        if (distribution is not null) await distribution.BeginAsync(stop);
        await using var clients = new ClientGroup(target, time);
        var opening = clients.OpenAsync(count, interval, TakeAllAsync, stop);
        await console.FollowAsync("connecting", () => (double)clients.Settled / count,
            () => $"{clients.Opened} of {count}, {clients.Failures.Total} failed", opening);
        Report(console, clients, count);
        if (distribution is not null) await ReportAsync(console, distribution);
        if (hold > TimeSpan.Zero && clients.Opened > 0 && !stop.IsCancellationRequested)
        {
            long start = time.GetTimestamp();
            await console.FollowAsync("holding", () => time.GetElapsedTime(start) / hold,
                () => $"{clients.Clients.Count()} connected, {clients.Lost.Total} lost", HoldAsync(clients, hold, time, stop));
            if (!clients.Clients.Any())
                console.Result("held", string.Create(CultureInfo.InvariantCulture, $"{time.GetElapsedTime(start).TotalSeconds:0.00} s of {hold.TotalSeconds} s: all clients were lost"));
        }
        console.Tally("lost", clients.Lost);
        return clients.Opened == count && clients.Lost.Total == 0 ? 0 : 1;
    }

    private static async Task TakeAllAsync(BenchClient client)
    {
        for (; ; ) await client.ReceiveAsync(CancellationToken.None);
    }

    /// <returns>When the time is over or no client is left; Ctrl-C also ends the wait and still gives results.</returns>
    private static async Task HoldAsync(ClientGroup clients, TimeSpan hold, TimeProvider time, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await Task.WhenAny(Task.Delay(hold, time, over.Token), clients.Ended);
        await over.CancelAsync();
    }

    private static async Task<string?> ReadTokenAsync(FileInfo? file, CancellationToken cancel)
    {
        try
        {
            return file is null ? null : (await FileReading.RunAsync(() => InputFile.ReadText(file.FullName, pipes: true), cancel)).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BenchFailure($"{file}: {FileFailure.Describe(exception, file?.FullName ?? "")}");
        }
    }

    internal static void Report(BenchConsole console, ClientGroup clients, int count)
    {
        double seconds = clients.OpeningTime.TotalSeconds;
        console.Result("connected", string.Create(CultureInfo.InvariantCulture,
            $"{clients.Opened} of {count} in {seconds:0.00} s, {clients.Opened / Math.Max(seconds, 1e-6):0} per second"));
        console.Percentiles("CONNACK", clients.ConnectTime);
        console.Tally("failed", clients.Failures);
    }

    private static async Task ReportAsync(BenchConsole console, BackendDistribution distribution)
    {
        var backends = await distribution.EndAsync(CancellationToken.None);
        long total = Math.Max(1, backends.Sum(pair => Math.Max(0, pair.Value)));
        if (backends.Count == 0) console.Result("backend", "the admin endpoint lists none");
        foreach ((string backend, long connections) in backends)
        {
            console.Result("backend", string.Create(
                CultureInfo.InvariantCulture, $"{backend}  {connections}  {100.0 * connections / total:0.0} %"));
        }
    }
}
