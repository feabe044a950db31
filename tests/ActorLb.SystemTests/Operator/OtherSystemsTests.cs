using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Operator;

/// <summary>A node where the C library of Linux is missing, as on other systems: whatever the product asks for does not load.</summary>
public sealed class OtherSystemsTests
{
    private static readonly Dictionary<string, string?> WithoutLibc = new(StringComparer.Ordinal)
    {
        ["DOTNET_STARTUP_HOOKS"] = Path.Combine(AppContext.BaseDirectory, "ActorLb.NoLibc.dll"),
    };

    [Fact]
    public async Task Streams_WithoutLinuxsCLibrary_ServeClients()
    {
        await using var broker = await Mosquitto.StartAsync();
        using var folder = new TempFolder();
        var admin = new IPEndPoint(IPAddress.Loopback, Ports.Free());
        var listener = new IPEndPoint(IPAddress.Loopback, Ports.Free());
        string file = folder.Write("lb.conf", Configuration("streams", admin, listener, broker.EndPoint));
        await using (var node = await ActorLbProcess.StartAsync(file, admin, WithoutLibc))
        {
            await MosquittoClients.PublishAsync(listener, "t", "x", 1, retain: false, "mqttv311", ["-i", "anywhere"]);
            await Mosquitto.WaitForSessionsAsync(1, broker);
            await node.Process.WaitUntilAsync(async () => (await File.ReadAllTextAsync(folder["access.log"])).Contains("client=\"anywhere\"", StringComparison.Ordinal));
            Assert.Contains("actorlb", await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative)), StringComparison.Ordinal);
        }

        Assert.Contains("anywhere", broker.Accepted.Select(a => a.Id));
    }

    [Fact]
    public async Task Reactors_WithoutLinuxsCLibrary_AreRefusedWithTheWayOut()
    {
        using var folder = new TempFolder();
        string file = folder.Write("lb.conf", Configuration(
            "reactor", new IPEndPoint(IPAddress.Loopback, Ports.Free()), new IPEndPoint(IPAddress.Loopback, Ports.Free()), new IPEndPoint(IPAddress.Loopback, 1)));
        var result = await ProcessHost.RunAsync(ActorLbProcess.Program, ["run", "-c", file], environment: WithoutLibc);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("data-plane = streams runs on this system", result.Output, StringComparison.Ordinal);
    }

    private static string Configuration(string plane, IPEndPoint admin, IPEndPoint listener, IPEndPoint broker) => $$"""
        actorlb {
          node { name = elsewhere, data-plane = {{plane}}, data-dir = "data" }
          log.access = "access.log"
          admin.bind = "{{admin}}"
          pools.p { backends = ["{{broker}}"], health.probe = tcp }
          listeners.mqtt { bind = "{{listener}}", pool = p }
        }
        """;
}
