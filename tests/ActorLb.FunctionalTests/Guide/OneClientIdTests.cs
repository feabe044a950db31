using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Guide;

/// <summary>What no balancer of the guide does: a client keeps its broker, whichever way it comes.</summary>
public sealed class OneClientIdTests
{
    [Theory]
    [InlineData("balance = hash")]
    [InlineData("balance = sticky, place = random")]
    public async Task ClientId_OverTcpTlsWsAndWss_LandsOnOneBroker(string balance)
    {
        using var ca = new TestCertificates();
        var server = ca.Server(["localhost", "127.0.0.1"]);
        string tls = $"tls {{ certificate = \"{server.CertificatePath}\", key = \"{server.KeyPath}\" }}";
        await using var one = await Mosquitto.StartAsync();
        await using var two = await Mosquitto.StartAsync();
        await using var three = await Mosquitto.StartAsync();
        Mosquitto[] brokers = [one, two, three];
        await using var js = await MqttJs.StartAsync();
        await using var node = await TestNode.StartTextAsync($$"""
            actorlb {
              node { name = test, workers = 2, pid-file = off }
              pools.p { {{balance}}, health.probe = none, backends = [{{string.Join(", ", brokers.Select(b => $"\"{b.EndPoint}\""))}}] }
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
              listeners.mqtts { bind = "127.0.0.1:0", pool = p, {{tls}} }
              listeners.ws { bind = "127.0.0.1:0", pool = p, websocket { path = "/mqtt" } }
              listeners.wss { bind = "127.0.0.1:0", pool = p, websocket { path = "/mqtt" }, {{tls}} }
            }
            """);

        string[] ids = [.. Enumerable.Range(0, 12).Select(i => $"client-{i}")];
        foreach (string id in ids)
        {
            foreach (string? scheme in new[] { "mqtt", "mqtts", "ws", "wss" })
            {
                var client = await js.ConnectAsync(new MqttJsConnect
                {
                    Url = MqttJsConnect.Address(scheme, node.Of(scheme), scheme[0] == 'w' ? "/mqtt" : ""),
                    ClientId = id,
                    Ca = scheme is "mqtts" or "wss" ? ca.CaPath : null,
                });
                await client.EndAsync();
            }
        }

        await Mosquitto.WaitForSessionsAsync(4 * ids.Length, brokers);
        foreach (string id in ids)
        {
            Assert.Equal([0, 0, 4], brokers.Select(b => b.Accepted.Count(c => c.Id == id)).Order());
        }

        // Not all on the same one, or the test would show nothing.
        Assert.True(brokers.Count(b => b.Accepted.Count > 0) > 1);
    }
}
