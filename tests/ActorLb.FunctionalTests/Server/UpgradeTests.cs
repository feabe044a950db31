using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using ActorLb.Native;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Another process takes a node's place while clients come.</summary>
public sealed class UpgradeTests
{
    private const int SigUsr2 = 12; // signal(7)

    [Fact]
    [Trait("speed", "slow")]
    public async Task Upgrades_WhileClientsConnect_RefuseNobody_AndKeepEachClientsBroker()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var two = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write("balance = sticky\n" + TestNode.Backends(one, two));
        await using var node = await files.StartAsync();
        string[] ids = [.. Enumerable.Range(0, 40).Select(i => $"c-{i}")];
        foreach (string id in ids) (await files.OpenAsync(id)).Dispose();
        string[] before = await WhereAsync(node, ids);
        var held = new List<RawClient>();
        for (int i = 0; i < 10; i++) held.Add(await files.OpenAsync($"held-{i}"));

        using var end = new CancellationTokenSource();
        var failures = new ConcurrentQueue<string>();
        int opened = 0;
        Task[] coming = [.. Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            for (int n = 0; !end.IsCancellationRequested; n++)
            {
                try
                {
                    (await files.OpenAsync(ids[((worker * 10) + n) % ids.Length])).Dispose();
                    Interlocked.Increment(ref opened);
                }
                catch (Exception e)
                {
                    failures.Enqueue(e.Message);
                }
            }
        }))];
        for (int upgrade = 0; upgrade < 2; upgrade++)
        {
            int pid = PidIn(files);
            var result = await NodeFiles.RunAsync("upgrade", files.Path);
            Assert.True(result.ExitCode == 0, result.Output);
            Assert.NotEqual(pid, PidIn(files));

            // The new process holds what the old one held.
            var second = await NodeFiles.RunAsync("run", files.Path);
            Assert.Equal(1, second.ExitCode);
            Assert.Contains("is already running", second.Output, StringComparison.Ordinal);
            Assert.True(File.Exists(files["pid"]));
            int was = Volatile.Read(ref opened);
            await Wait.UntilAsync(() => Task.FromResult(Volatile.Read(ref opened) > was + 50 || !failures.IsEmpty));
        }
        await end.CancelAsync();
        await Task.WhenAll(coming);
        Assert.Empty(failures);
        Assert.Equal(before, await WhereAsync(node, ids));

        // Those of the first process were closed by its drain, whose rules they were under.
        foreach (var client in held)
        {
            Assert.Empty((await client.ReadToEndAsync()).Bytes);
            client.Dispose();
        }
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    [Fact]
    public async Task Usr2_KeepsWhatAnOperatorHasChanged()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var two = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        var other = Ports.FreeEndPoint();
        files.Write(TestNode.Backends(one, two), more: $"listeners.other {{ bind = \"{other}\", pool = p }}");
        await using var node = await files.StartAsync();
        await ChangeAsync(node, HttpMethod.Put, $"backends/{one.EndPoint}/weight", new { weight = 7 });
        await ChangeAsync(node, HttpMethod.Post, $"backends/{two.EndPoint}/drain", new { deadline = 600 });
        await ChangeAsync(node, HttpMethod.Post, "listeners/other/pause");
        int pid = PidIn(files);
        node.Process.Signal(SigUsr2);
        await Wait.UntilAsync(async () => PidIn(files) is not 0 and var now && now != pid && await node.IsReadyAsync());

        JsonElement[] backends = [.. (await GetAsync(node, "pools/p")).GetProperty("backends").EnumerateArray()];
        Assert.Equal(7, backends[0].GetProperty("weight").GetInt32());
        Assert.Equal("drain", backends[1].GetProperty("admin").GetString());
        Assert.InRange(backends[1].GetProperty("drainLeft").GetDouble(), 1, 600);
        Assert.Equal(0, two.Accepted);
        await Assert.ThrowsAsync<SocketException>(async () => (await RawClient.ConnectAsync(other)).Dispose());
        (await files.OpenAsync("c")).Dispose();
        await ChangeAsync(node, HttpMethod.Post, "listeners/other/resume");
        (await RawClient.ConnectAsync(other)).Dispose();
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
    }

    [Fact]
    public async Task Upgrade_ThatFailsWhenItTakesOver_LeavesTheNodeAsItWas()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var held = await files.OpenAsync("held");
        int pid = PidIn(files);
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        string file = await File.ReadAllTextAsync(files.Path, TestContext.Current.CancellationToken);
        files.Add("lb.conf", file.Replace($"{files.Admin}", $"{taken.LocalEndpoint}", StringComparison.Ordinal));
        var result = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("not upgraded", result.Output, StringComparison.Ordinal);
        Assert.Contains($"{taken.LocalEndpoint}", result.Output, StringComparison.Ordinal);

        files.Add("lb.conf", file);
        Assert.Equal(pid, PidIn(files));
        Assert.True(await node.IsReadyAsync());
        (await files.OpenAsync("new")).Dispose();
        await held.SendAsync(new byte[] { 0xC0, 0 }); // PINGREQ, MQTT 3.1.1 section 3.12
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        Assert.True((await NodeFiles.RunAsync("upgrade", files.Path)).ExitCode == 0, node.Process.Output);
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
    }

    /// <summary>The old process serves at once, and has its admin endpoint again as soon as it can.</summary>
    [Fact]
    public async Task Upgrade_ThatFailsWhileTheAdminPortIsTaken_BringsTheEndpointBackLater()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        string file = await File.ReadAllTextAsync(files.Path, TestContext.Current.CancellationToken);
        files.Add("lb.conf", file.Replace($"{files.Admin}", $"{taken.LocalEndpoint}", StringComparison.Ordinal));
        var stealing = StealAsync(files.Admin);
        var result = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.True(result.ExitCode == 1, result.Output);
        using (await stealing)
        {
            (await files.OpenAsync("new")).Dispose();
            await node.Process.WaitUntilAsync(() => Task.FromResult(node.Process.Output.Contains("keeps running without its admin endpoint", StringComparison.Ordinal)));
        }
        await node.Process.WaitUntilAsync(() => Task.FromResult(node.Process.Output.Contains("the admin endpoint is back", StringComparison.Ordinal)));
        Assert.True(await node.IsReadyAsync());
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());

        async Task<TcpListener> StealAsync(IPEndPoint at)
        {
            TcpListener? stolen = null;
            await Wait.UntilAsync(() =>
            {
                var thief = new TcpListener(at);
                try
                {
                    thief.Start();
                    stolen = thief;
                    return true;
                }
                catch (SocketException)
                {
                    thief.Dispose();
                    return false;
                }
            });
            return stolen!;
        }
    }

    [Theory]
    [InlineData("/nonexistent/actorlb", "No such file")]
    [InlineData("/bin/false", "exit code 1")]
    public async Task Usr2_ToAProgramThatDoesNotRun_IsLogged_AndTheNodeGoesOn(string program, string reason)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        Ask(files, program);
        node.Process.Signal(SigUsr2);
        await node.Process.WaitUntilAsync(() => Task.FromResult(node.Process.Output.Contains("upgrade: not done", StringComparison.Ordinal)));
        Assert.Contains(reason, node.Process.Output, StringComparison.Ordinal);
        (await files.OpenAsync("c")).Dispose();
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    /// <summary>Its listening sockets are the other process's by then: ending as well would leave nobody.</summary>
    [Fact]
    public async Task Kill_OfTheOldProcess_OnceItHasHandedOver_LeavesTheNewOneServing()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        int pid = PidIn(files);
        node.Process.Signal(SigUsr2);
        // The new process writes its id before it opens its admin endpoint and its listeners.
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        while (PidIn(files) is var now && (now == 0 || now == pid))
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), node.Process.Output);
            Thread.Sleep(1);
        }
        node.Process.Signal(ProcessHost.SigKill);
        await Wait.UntilAsync(node.IsReadyAsync);
        await Task.Delay(TimeSpan.FromMilliseconds(500), TestContext.Current.CancellationToken);
        (await files.OpenAsync("c")).Dispose();
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
    }

    /// <summary>Whatever the file beside the pid-file holds, a node stops in the orderly way.</summary>
    [Theory]
    [InlineData("null", "[ \"/bin/false\" ]")]
    [InlineData("\"x\"", "[ null ]")]
    [InlineData("\"x\"", "[ \"\" ]")]
    public async Task Usr2_WithARequestThatLacksSomething_StartsTheNodesOwnProgram(string id, string command)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        int pid = PidIn(files);
        files.Add("pid.upgrade", $$"""{ "Id": {{id}}, "Command": {{command}}, "At": "{{DateTimeOffset.UtcNow:O}}" }""");
        node.Process.Signal(SigUsr2);
        await Wait.UntilAsync(async () => PidIn(files) is not 0 and var now && now != pid && await node.IsReadyAsync());
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    /// <summary>As a reload does.</summary>
    [Fact]
    public async Task Upgrade_ToAnotherAddressOfTheSamePort_OpensIt()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        string given = files.Write(TestNode.Backends(broker));
        string file = await File.ReadAllTextAsync(given, TestContext.Current.CancellationToken);
        files.Add("lb.conf", file.Replace($"{files.Front}", $"0.0.0.0:{files.Front.Port}", StringComparison.Ordinal));
        await using var node = await files.StartAsync();
        files.Add("lb.conf", file);
        var result = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.True(result.ExitCode == 0, result.Output);
        (await files.OpenAsync("c")).Dispose();
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
    }

    [Fact]
    public async Task Stop_WhileTheOtherProcessStarts_StopsTheNode()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        await BeginSlowlyAsync(files, node);
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.Contains("the node is being stopped", node.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upgrade_WhileAnotherIsUnderWay_IsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        await BeginSlowlyAsync(files, node);
        var second = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("another upgrade is in progress", second.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(files["pid.upgrade"]));
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    /// <summary>Nobody waits for its outcome any more, or the clock was set back since.</summary>
    [Theory]
    [InlineData(-5)]
    [InlineData(5)]
    public async Task Usr2_WithARequestOfAnotherTime_StartsTheNodesOwnProgram(int minutes)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        int pid = PidIn(files);
        Ask(files, "/bin/false", DateTimeOffset.UtcNow.AddMinutes(minutes));
        node.Process.Signal(SigUsr2);
        await Wait.UntilAsync(async () => PidIn(files) is not 0 and var now && now != pid && await node.IsReadyAsync());
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path)).ExitCode);
    }

    [Fact]
    public async Task Upgrade_OfTheStreamsPlane_IsRefusedWithTheReason()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "node.data-plane = streams");
        await using var node = await files.StartAsync();
        var result = await NodeFiles.RunAsync("upgrade", files.Path);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("data-plane = streams", result.Output, StringComparison.Ordinal);
        (await files.OpenAsync("c")).Dispose();
    }

    /// <summary>An upgrade whose new process is never ready.</summary>
    private static async Task BeginSlowlyAsync(NodeFiles files, ActorLbProcess node)
    {
        string slow = files.Add("slow", "#!/bin/sh\nexec sleep 600\n");
        File.SetUnixFileMode(slow, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Ask(files, slow);
        node.Process.Signal(SigUsr2);
        await node.Process.WaitUntilAsync(() => Task.FromResult(node.Process.Output.Contains("upgrade: starting", StringComparison.Ordinal)));
    }

    /// <summary>As the command does.</summary>
    private static void Ask(NodeFiles files, string program, DateTimeOffset? at = null) =>
        files.Add("pid.upgrade", JsonSerializer.Serialize(new { Id = "1", Command = new[] { program }, At = at ?? DateTimeOffset.UtcNow }));

    /// <summary>0 while nobody has written it.</summary>
    private static int PidIn(NodeFiles files)
    {
        // The node holds a lock on it, which the runtime respects.
        return int.TryParse(UnlockedFile.ReadAscii(files["pid"]), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int pid) ? pid : 0;
    }

    private static async Task<string[]> WhereAsync(ActorLbProcess node, string[] ids) =>
        [.. await Task.WhenAll(ids.Select(async id => (await GetAsync(node, $"sticky?client={id}")).GetProperty("entries")[0].GetProperty("backend").GetString()!))];

    private static async Task<JsonElement> GetAsync(ActorLbProcess node, string path) =>
        await node.Admin.GetFromJsonAsync<JsonElement>(new Uri("api/v1/" + path, UriKind.Relative), TestContext.Current.CancellationToken);

    private static async Task ChangeAsync(ActorLbProcess node, HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri("api/v1/" + path, UriKind.Relative));
        if (body is not null) request.Content = JsonContent.Create(body);
        using var answer = await node.Admin.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
    }
}
