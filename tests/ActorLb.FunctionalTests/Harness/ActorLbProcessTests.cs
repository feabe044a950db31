using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Harness;

public sealed class ActorLbProcessTests
{
    [Fact]
    public async Task Start_ValidConfiguration_IsReadyAndTakesClients()
    {
        await using var broker = await Mosquitto.StartAsync();
        using var folder = new TempFolder();
        var front = Ports.FreeEndPoint();
        var admin = Ports.FreeEndPoint();
        string file = folder.Write("lb.conf", $$"""
            actorlb {
              node { data-dir = "{{folder.Path}}", pid-file = "{{folder["pid"]}}" }
              admin.bind = "{{admin}}"
              pools.one { backends = ["{{broker.EndPoint}}"], health.probe = none }
              listeners.mqtt { bind = "{{front}}", pool = one }
            }
            """);
        await using var node = await ActorLbProcess.StartAsync(file, admin);
        await MosquittoClients.PublishAsync(front, "t", "through", 1, retain: true, more: ["-i", "p"]);
        Assert.Equal("p", (await broker.WaitForClientAsync("p")).Id);
        var check = await ActorLbProcess.RunAsync("check", "-c", file);
        Assert.Equal(0, check.ExitCode);
    }

    [Fact]
    public async Task Start_BrokenConfiguration_ThrowsWithItsOutput()
    {
        using var folder = new TempFolder();
        var error = await Assert.ThrowsAsync<ProcessEndedException>(
            () => ActorLbProcess.StartAsync(folder.Write("lb.conf", "actorlb { nonsense = 1 }"), Ports.FreeEndPoint()));
        Assert.Contains("nonsense", error.Message, StringComparison.Ordinal);
    }
}
