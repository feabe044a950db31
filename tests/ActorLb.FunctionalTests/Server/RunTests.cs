using System.Globalization;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What keeps a node from starting, or from taking clients, and what it says then.</summary>
public sealed class RunTests
{
    [Fact]
    public async Task Run_PortInUse_SaysWhichAndEnds()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var taken = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), $"bind = \"{taken.EndPoint}\"");
        var front = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, front.ExitCode);
        Assert.Contains(front.Lines, l => l.Contains("listener mqtt", StringComparison.Ordinal)
            && l.Contains(taken.EndPoint.ToString(), StringComparison.Ordinal) && l.Contains("in use", StringComparison.Ordinal));

        files.Write(TestNode.Backends(broker), more: $"admin.bind = \"{taken.EndPoint}\"");
        var admin = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, admin.ExitCode);
        Assert.Contains(admin.Lines, l => l.Contains(taken.EndPoint.ToString(), StringComparison.Ordinal) && l.Contains("in use", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", admin.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_FilesThatCannotBeUsed_AreNamed()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"127.0.0.1:1\"]", more: $"admin.token-file = \"{files["no-token"]}\"");
        var token = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, token.ExitCode);
        Assert.Contains(token.Lines, l => l.Contains(files["no-token"], StringComparison.Ordinal));

        files.Write("backends = [\"127.0.0.1:1\"]", more: $"log.access = \"{files["no-such-folder/access.log"]}\"");
        var log = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, log.ExitCode);
        Assert.Contains(log.Lines, l => l.Contains(files["no-such-folder"], StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", log.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_CertificatesThatAreNone_AreNamed()
    {
        using var files = new NodeFiles();
        string garbage = files.Add("garbage.pem", "garbage");
        files.Write("backends = [\"127.0.0.1:1\"]", more: $"admin.tls {{ certificate = \"{garbage}\", key = \"{garbage}\" }}");
        var run = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(run.Lines, l => l.Contains($"actorlb.admin.tls.certificate: '{garbage}' holds no readable PEM certificate", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_StoppedWhileNoOtherSeedAnswers_Ends()
    {
        using var files = new NodeFiles();
        files.Write("balance = sticky, backends = [\"127.0.0.1:1\"]", more: $$"""
            cluster {
              name = c, bind = "{{Ports.FreeEndPoint()}}", secret-file = "{{files.Add("secret", "a long text that the nodes of a fleet share")}}"
              seeds = ["{{Ports.FreeEndPoint()}}", "{{Ports.FreeEndPoint()}}"]
            }
            """);
        await using var host = ProcessHost.Start(ActorLbProcess.Program, ["run", "-c", files.Path]);
        await host.WaitForPortAsync(files.Admin);
        Assert.False(host.HasExited, host.Output);
        var stopped = await NodeFiles.RunAsync("stop", files.Path);
        Assert.True(stopped.ExitCode == 0, stopped.Output);
        await host.WaitForExitAsync();
        Assert.DoesNotContain("   at ", host.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_SecondNodeWithTheSamePidFile_IsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        var second = await NodeFiles.RunAsync("run", files.Path);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains(second.Lines, l => l.Contains($"pid-file {files["pid"]}: a node with process id {node.Process.Id} is already running", StringComparison.Ordinal));
        using var client = await files.OpenAsync("first still runs");
    }

    [Fact]
    public async Task Run_UnknownHostName_StartsAndTellsClientsAndTheLog()
    {
        using var files = new NodeFiles();
        files.Write("backends = [\"no-such-host.invalid:1883\"]");
        await using var node = await files.StartAsync();
        await node.Process.WaitForLineAsync("no-such-host.invalid");
        using var client = await RawClient.ConnectAsync(files.Front);
        await client.SendAsync(ConnectBytes.V5("x"));
        Assert.Equal("2003008800", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
    }

    [Fact]
    public async Task Run_TooFewOpenFiles_SaysWhatItTakesAndHoldsIt()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var host = ProcessHost.Start("prlimit", ["--nofile=400:400", ActorLbProcess.Program, "run", "-c", files.Path]);
        string warning = await host.WaitForLineAsync("node.max-connections = 20480 needs two open files per client, but the limit is 400");
        await host.WaitForPortAsync(files.Front);
        int capacity = int.Parse(warning[(warning.IndexOf("accepts ", StringComparison.Ordinal) + 8)..].Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.InRange(capacity, 10, 190);
        var clients = new List<RawClient>();
        for (int i = 0; i < capacity; i++)
            clients.Add(await files.OpenAsync($"c{i}"));
        using (var over = await RawClient.ConnectAsync(files.Front))
        {
            await over.SendAsync(ConnectBytes.V5("over"));
            Assert.Equal("2003008900", Convert.ToHexString((await over.ReadToEndAsync()).Bytes));
        }

        clients.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task Accept_NoDescriptorLeft_RestsSaysSoAndGoesOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var first = await files.OpenAsync("first");
        await LimitFilesAsync(node, "30:20000");
        using var second = await RawClient.ConnectAsync(files.Front);
        await second.SendAsync(ConnectBytes.V311("second"));
        await node.Process.WaitForLineAsync("listener mqtt cannot accept: ");
        // Whoever is there does not notice, and who waits in the kernel's queue is taken as soon as it can be.
        await first.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await first.ReadAsync(4));
        await LimitFilesAsync(node, "20000:20000");
        Assert.Equal(FakeBroker.ConnackBytes(0), await second.ReadAsync(4));
    }

    private static async Task LimitFilesAsync(ActorLbProcess node, string limit)
    {
        var set = await ProcessHost.RunAsync("prlimit", [$"--pid={node.Process.Id}", $"--nofile={limit}"]);
        Assert.True(set.ExitCode == 0, set.Output);
    }

    [Fact]
    public async Task Run_KilledNode_LeavesNoObstacleToTheNext()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using (var node = await files.StartAsync())
        {
            node.Process.Signal(ProcessHost.SigKill);
            await node.Process.WaitForExitAsync();
        }

        Assert.True(File.Exists(files["pid"]));
        await using var next = await files.StartAsync();
        using var client = await files.OpenAsync("next");
    }
}
