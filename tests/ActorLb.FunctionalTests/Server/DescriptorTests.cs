using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>A node without descriptors is short of something itself: it blames nobody, does not spin, and goes on when there are some.</summary>
public sealed class DescriptorTests
{
    private static async Task LimitFilesAsync(ActorLbProcess node, string limit)
    {
        var set = await ProcessHost.RunAsync("prlimit", [$"--pid={node.Process.Id}", $"--nofile={limit}"]);
        Assert.True(set.ExitCode == 0, set.Output);
    }

    private static TimeSpan CpuOf(ActorLbProcess node)
    {
        // proc(5): user and system time are the 14th and 15th fields, the 12th and 13th behind the name.
        string[] fields = File.ReadAllText($"/proc/{node.Process.Id}/stat").Split(") ")[^1].Split(' ');
        return TimeSpan.FromSeconds((long.Parse(fields[11]) + long.Parse(fields[12])) / 100.0);
    }

    private static async Task<double> MetricAsync(ActorLbProcess node, string start)
    {
        string page = await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative));
        string line = page.Split('\n').First(l => l.StartsWith(start, StringComparison.Ordinal));
        return double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task Probes_WithoutADescriptor_TakeNobodyDown()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(one, other) + "health { probe = mqtt, interval = 100ms, rise = 1, fall = 1 }");
        await using var node = await files.StartAsync();
        await node.Process.WaitUntilAsync(() => Task.FromResult(one.Accepted > 0 && other.Accepted > 0));
        using var client = await files.OpenAsync("before");
        await LimitFilesAsync(node, "30:20000");
        await node.Process.WaitForLineAsync("cannot be probed");
        // For some more probes. Nobody can be asked meanwhile: the admin endpoint has no descriptors either.
        await Task.Delay(500);
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        await LimitFilesAsync(node, "20000:20000");
        Assert.True(await MetricAsync(node, "actorlb_probes_inconclusive_total{pool=\"p\"}") >= 2);
        Assert.DoesNotContain(node.Process.Lines, l => l.Contains("is down", StringComparison.Ordinal));
        // A line for each probe would fill the log.
        Assert.Equal(1, node.Process.Lines.Count(l => l.Contains("cannot be probed", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Dial_WithoutADescriptor_TellsTheClientAndBlamesNoBackend()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(one, other));
        await using var node = await files.StartAsync();
        using (await files.OpenAsync("warm"))
        {
            var clients = new List<RawClient>();
            for (int i = 0; i < 6; i++) clients.Add(await RawClient.ConnectAsync(files.Front));
            await node.Process.WaitUntilAsync(async () => await MetricAsync(node, "actorlb_connections_accepted_total") >= 7);
            await LimitFilesAsync(node, "30:20000");
            foreach (var client in clients)
            {
                await client.SendAsync(ConnectBytes.V5("x"));
                Assert.Equal("2003008900", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
                client.Dispose();
            }
        }
        await LimitFilesAsync(node, "20000:20000");
        Assert.Equal(6, await MetricAsync(node, "actorlb_dial_shortages_total"));
        // Counted when the client has taken its answer and the connection is closed.
        await node.Process.WaitUntilAsync(async () => await MetricAsync(node, "actorlb_connections_rejected_total{listener=\"mqtt\",reason=\"local_shortage\"}") == 6);
        foreach (var broker in (FakeBroker[])[one, other])
        {
            Assert.Equal(1, await MetricAsync(node, $"actorlb_backend_up{{pool=\"p\",backend=\"{broker.EndPoint}\"}}"));
            Assert.Equal(0, await MetricAsync(node, $"actorlb_backend_failures_total{{pool=\"p\",backend=\"{broker.EndPoint}\"}}"));
        }
        Assert.Equal(1, node.Process.Lines.Count(l => l.Contains("does not count against the backend", StringComparison.Ordinal)));
        using var after = await files.OpenAsync("after");
    }

    /// <summary>To read files takes a thread, and a thread takes files.</summary>
    [Fact]
    public async Task Reload_WithoutADescriptor_IsRejected_AndTheNextOneIsNot()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        await LimitFilesAsync(node, "10:20000");
        node.Process.Signal(1);
        await node.Process.WaitForLineAsync(": rejected, the old configuration stays");
        await node.Process.WaitForLineAsync("the certificates cannot be checked");
        await LimitFilesAsync(node, "20000:20000");
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        Assert.DoesNotContain(node.Process.Lines, l => l.Contains("Exception", StringComparison.Ordinal));
    }

    /// <summary>A loop that tries again at once takes all of a core for as long as there is none.</summary>
    [Fact]
    public async Task Accepts_WithoutADescriptor_RestAndGoOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var warm = await files.OpenAsync("warm");
        await LimitFilesAsync(node, "30:20000");
        using var admin = await RawClient.ConnectAsync(files.Admin);
        using var client = await RawClient.ConnectAsync(files.Front);
        await admin.SendAsync("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"u8.ToArray());
        await client.SendAsync(ConnectBytes.V311("waits"));
        await node.Process.WaitForLineAsync($"{files.Admin} cannot accept: ");
        await node.Process.WaitForLineAsync("listener mqtt cannot accept: ");
        var before = CpuOf(node);
        // A loop that spins takes about all of this time.
        await Task.Delay(2000);
        Assert.InRange((CpuOf(node) - before).TotalSeconds, 0, 1);
        await LimitFilesAsync(node, "20000:20000");
        Assert.StartsWith("HTTP/1.1 200 OK", System.Text.Encoding.ASCII.GetString((await admin.ReadToEndAsync()).Bytes), StringComparison.Ordinal);
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        Assert.Equal(2, node.Process.Lines.Count(l => l.Contains("cannot accept", StringComparison.Ordinal)));
    }

    /// <summary>With all that clients may have in use there is one left for probes, logs and whoever looks after the node.</summary>
    [Fact]
    public async Task Clients_ThatTakeAllDescriptors_LeaveTheReserve()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(
            TestNode.Backends(broker) + "health { probe = mqtt, interval = 100ms, rise = 1, fall = 1 }", "connect-timeout = 60s",
            $"log.access = \"{files["access.log"]}\"");
        await using var node = await files.StartAsync("prlimit", "--nofile=300:300");
        var clients = new List<RawClient>();
        for (int i = 0; i < 250; i++) clients.Add(await RawClient.ConnectAsync(files.Front));
        await node.Process.WaitForLineAsync("listener mqtt cannot accept: ");
        Assert.InRange(await MetricAsync(node, "process_open_fds"), 200, 270);
        Assert.Equal(1, await MetricAsync(node, "actorlb_backend_up"));
        int probes = broker.Accepted;
        await node.Process.WaitUntilAsync(() => Task.FromResult(broker.Accepted > probes + 3));
        Assert.Equal(0, await MetricAsync(node, "actorlb_probes_inconclusive_total"));
        clients.ForEach(c => c.Dispose());
        // Those that wait in the kernel's queue are gone too, but have to be taken from it.
        await node.Process.WaitUntilAsync(async () =>
        {
            using var after = await RawClient.ConnectAsync(files.Front);
            await after.SendAsync(ConnectBytes.V311("after"));
            return await after.ReadAsync(4) is [0x20, 2, 0, 0];
        });
    }
}
