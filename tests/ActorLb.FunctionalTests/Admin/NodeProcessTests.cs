using System.Net;
using System.Text.Json;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Admin;

/// <summary>Signals and the admin API of a real process take turns.</summary>
public sealed class NodeProcessTests
{
    [Fact]
    [Trait("speed", "slow")]
    public async Task Drain_ThroughTheApi_ThenTerminated_EndsWithinTheDrain()
    {
        using var folder = new TempFolder();
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0));
        await using var node = await StartAsync(folder, broker);
        var listeners = JsonSerializer.Deserialize(await node.Admin.GetStringAsync("api/v1/listeners"), AdminJson.Wire.ListenerList)!;
        using var client = await RawClient.ConnectAsync(IPEndPoint.Parse(listeners.Listeners[0].Bind));
        await client.SendAsync(ConnectBytes.V311("c"));
        Assert.Equal([0x20, 2, 0, 0], await client.ReadAsync(4));

        using var drain = await node.Admin.PostAsync("api/v1/node/drain", new StringContent("""{"seconds":1}"""));
        Assert.Equal(HttpStatusCode.Accepted, drain.StatusCode);
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        Assert.False(node.Process.HasExited);

        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.Contains("stopped", node.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Reloads_BySignalAndApiAtOnce_AreAllDone()
    {
        using var folder = new TempFolder();
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0));
        await using var node = await StartAsync(folder, broker);
        Task<HttpResponseMessage>[] reloads = [.. Enumerable.Range(0, 8).Select(_ => node.Admin.PostAsync("api/v1/config/reload", null))];
        node.Process.Signal(ProcessHost.SigHup);
        foreach (var answer in await Task.WhenAll(reloads))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            answer.Dispose();
        }
        using var paused = await node.Admin.PostAsync("api/v1/listeners/mqtt/pause", null);
        Assert.Equal(HttpStatusCode.OK, paused.StatusCode);
        Assert.True(await node.IsReadyAsync());
    }

    /// <summary>A node by itself pays neither the memory nor the time of what only a fleet needs, and opens no port for it.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeByItself_LoadsNothingOfAFleet()
    {
        using var folder = new TempFolder();
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0));
        await using var node = await StartAsync(folder, broker);
        string[] loaded = [.. (await File.ReadAllLinesAsync($"/proc/{node.Process.Id}/maps"))
            .Select(l => Path.GetFileName(l)).Where(l => l.StartsWith("Akka", StringComparison.Ordinal)).Distinct()];
        Assert.Equal(["Akka.dll"], loaded);
    }

    private static Task<ActorLbProcess> StartAsync(TempFolder folder, FakeBroker broker) => Attempts.StartAsync(() =>
    {
        var admin = Ports.FreeEndPoint();
        string file = folder.Write("node.conf", $$"""
            actorlb {
              node { name = lb-1, workers = 1, pid-file = off, drain-timeout = 1s }
              admin.bind = "{{admin}}"
              pools.p { backends = ["{{broker.EndPoint}}"], health.probe = none }
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
            }
            """);
        return ActorLbProcess.StartAsync(file, admin);
    });
}
