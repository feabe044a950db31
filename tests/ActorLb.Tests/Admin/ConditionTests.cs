using System.Net;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.Tests.Admin;

/// <summary>What an operator asks first: since when, why, and what is in force.</summary>
public sealed class ConditionTests
{
    [Fact]
    public async Task Backend_TellsSinceWhenWhyAndWhatWasLost()
    {
        await using var node = await AdminNode.StartAsync();
        var fresh = await PlainAsync(node);
        Assert.Equal((null, null, null, 0L), (fresh.LastError, fresh.LastProbe, fresh.NextProbe, fresh.LostSince));
        Assert.InRange(fresh.Since, node.Node.StartedAt.AddSeconds(-1), DateTimeOffset.UtcNow);

        // The broker takes two clients and lets go of them at their first word; a third one goes by itself.
        node.One.Script = async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadSomeAsync(stop);
        };
        await node.SendAsync(HttpMethod.Post, $"backends/{node.Two.EndPoint}/down", null, AdminJson.Wire.BackendInfo);
        for (int i = 0; i < 2; i++)
        {
            using var client = await node.ConnectAsync($"c{i}");
            // PINGREQ
            await client.SendAsync(new byte[] { 0xC0, 0 });
            await client.ReadToEndAsync();
        }
        using (var leaving = await node.ConnectAsync("leaves")) await leaving.SendAsync(new byte[] { 0xE0, 0 });
        await Wait.UntilAsync(async () => (await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount)).Total == 0);
        var losing = (await node.GetAsync("pools/emqx", AdminJson.Wire.PoolInfo)).Backends.Single(b => b.Backend == node.One.EndPoint.ToString());
        Assert.Equal(2, losing.LostSince);

        // Another state counts anew.
        var down = await node.SendAsync(HttpMethod.Post, $"backends/{node.One.EndPoint}/down?pool=emqx", null, AdminJson.Wire.BackendInfo);
        Assert.Equal(0, down.LostSince);
        Assert.True(down.Since >= losing.Since);

        static async Task<BackendInfo> PlainAsync(AdminNode node) => Assert.Single((await node.GetAsync("pools/plain", AdminJson.Wire.PoolInfo)).Backends);
    }

    [Fact]
    public async Task Backend_ThatCannotBeReached_TellsItsLastErrorAndProbe()
    {
        var nowhere = Ports.FreeEndPoint();
        await using var node = await AdminNode.StartAsync(more: $$"""
            pools.gone { backends = ["{{nowhere}}"], health { probe = tcp, interval = 1h } }
            pools.dialled { backends = ["{{nowhere}}"], health.probe = none }
            listeners.dialled { bind = "127.0.0.1:0", pool = dialled }
            """);
        BackendInfo probed = null!;
        // The probe is told of a moment before its verdict, and that one before the time of the next.
        await Wait.UntilAsync(async () =>
        {
            probed = Assert.Single((await node.GetAsync("pools/gone", AdminJson.Wire.PoolInfo)).Backends);
            return probed is { Health: not "unknown", NextProbe: not null };
        });
        Assert.Equal(("down", "down"), (probed.LastProbe!.Result, probed.Health));
        Assert.Contains("refused", probed.LastProbe.Reason, StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("probe: ", probed.LastError!.Text, StringComparison.Ordinal);
        // A tenth more or less of the interval.
        Assert.InRange(probed.NextProbe!.Value - probed.LastProbe!.At, TimeSpan.FromSeconds(3200), TimeSpan.FromSeconds(3970));

        using (var client = await RawClient.ConnectAsync(node.Node.Listeners.Single(l => l.Name == "dialled").BoundTo!))
        {
            await client.SendAsync(ConnectBytes.V311("c"));
            await client.ReadToEndAsync();
        }
        var dialled = Assert.Single((await node.GetAsync("pools/dialled", AdminJson.Wire.PoolInfo)).Backends);
        Assert.Contains("refused", dialled.LastError!.Text, StringComparison.OrdinalIgnoreCase);
        Assert.InRange(dialled.LastError.At, node.Node.StartedAt.AddSeconds(-1), DateTimeOffset.UtcNow.AddSeconds(1));
    }

    [Fact]
    public async Task Node_TellsItsLastReloadAndWhatIsInForce()
    {
        await using var node = await AdminNode.StartAsync();
        var first = await node.GetAsync("node", AdminJson.Wire.NodeInfo);
        Assert.Null(first.LastReload);
        await HasAsync("actorlb_config_last_reload_successful 1");
        await HasAsync($"actorlb_config_info{{hash=\"{first.ConfigurationHash}\"}} 1");
        Assert.Matches("^[0-9a-f]{12}$", first.ConfigurationHash);
        Assert.Equal(first.ConfigurationHash, Assert.Single((await node.GetAsync("cluster", AdminJson.Wire.ClusterMembers)).Members).ConfigurationHash);

        await File.WriteAllTextAsync(node.Configuration, AdminNode.Text(node.One, node.Two, more: "node.drain-timeout = 7s"));
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        var applied = await node.GetAsync("node", AdminJson.Wire.NodeInfo);
        Assert.Equal("applied", applied.LastReload!.Result);
        Assert.NotEqual(first.ConfigurationHash, applied.ConfigurationHash);

        await File.WriteAllTextAsync(node.Configuration, "actorlb { nodes {} }");
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "config/reload"));
        var rejected = await node.GetAsync("node", AdminJson.Wire.NodeInfo);
        Assert.Equal(("rejected", applied.ConfigurationHash), (rejected.LastReload!.Result, rejected.ConfigurationHash));
        Assert.Contains(rejected.LastReload.Messages, m => m.Contains("nodes", StringComparison.Ordinal));
        Assert.True(rejected.LastReload.At >= applied.LastReload.At);
        await HasAsync("actorlb_config_last_reload_successful 0");
        await HasAsync("actorlb_config_reloads_total{result=\"applied\"} 1");
        await HasAsync("actorlb_config_reloads_total{result=\"rejected\"} 1");
        await HasAsync(string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"actorlb_config_last_reload_timestamp_seconds {rejected.LastReload.At.ToUnixTimeMilliseconds() / 1000.0:R}"));

        async Task HasAsync(string line) => Assert.Contains(line, (await node.Http.GetStringAsync(new Uri($"http://{node.Address}/metrics"))).Split('\n'));
    }

    [Fact]
    public async Task Certificates_AreAllListed_WithTheDaysThatAreLeft()
    {
        using var ca = new TestCertificates("Devices CA");
        using var folder = new TempFolder();
        using var services = new ServiceAuthority(folder.Path, "services");
        (string adminCertificate, string adminKey) = services.Issue("node");
        var server = ca.Server(["mqtt.example.com"], notAfter: DateTimeOffset.UtcNow.AddDays(10).AddHours(1));
        var upstream = ca.Client("CN=balancer");
        string list = ca.RevocationList([]);
        await using var node = await AdminNode.StartAsync(
            admin: $"tls {{ certificate = \"{adminCertificate}\", key = \"{adminKey}\" }}",
            more: $$"""
                pools.secure {
                  backends = ["127.0.0.1:1"], health.probe = none
                  tls { ca = "{{ca.CaPath}}", certificate = "{{upstream.CertificatePath}}", key = "{{upstream.KeyPath}}" }
                }
                listeners.mqtts {
                  bind = "127.0.0.1:0", pool = secure
                  tls { certificate = "{{server.CertificatePath}}", key = "{{server.KeyPath}}", client-ca = "{{ca.CaPath}}", verify-client = on, crl = "{{list}}" }
                }
                """);
        string[] pbm = ["--host", $"https://{node.Address}", "--ca", services.CertificateFile, "config", "certificates"];
        var json = await ProcessHost.RunAsync(Path.Combine(AppContext.BaseDirectory, "pbm"), [.. pbm, "--json"]);
        var all = System.Text.Json.JsonSerializer.Deserialize(json.Output, AdminJson.Wire.CertificateList)!;
        var table = await ProcessHost.RunAsync(Path.Combine(AppContext.BaseDirectory, "pbm"), pbm);
        Assert.Contains(table.Lines, l => l.Contains("mqtt.example.com", StringComparison.Ordinal) && l.Contains(" 10 ", StringComparison.Ordinal) && l.Contains("ends soon", StringComparison.Ordinal));

        Assert.Empty(all.Problems);
        (string Owner, string Kind, string File)[] expected =
        [
            ("admin", "certificate", adminCertificate), ("listener mqtts", "ca", ca.CaPath), ("listener mqtts", "certificate", server.CertificatePath),
            ("listener mqtts", "crl", list), ("pool secure", "ca", ca.CaPath), ("pool secure", "certificate", upstream.CertificatePath),
        ];
        Assert.Equal(expected, all.Certificates.Select(c => (c.Owner, c.Kind, c.File)).OrderBy(c => $"{c.Owner} {c.Kind}", StringComparer.Ordinal));
        var soon = all.Certificates.Single(c => c.Owner == "listener mqtts" && c.Kind == "certificate");
        Assert.Equal((10, "ends soon"), (soon.DaysLeft!.Value, soon.State));
        Assert.Contains("mqtt.example.com", soon.Subject, StringComparison.Ordinal);
        Assert.Equal(all.Certificates.OrderBy(c => c.NotAfter), all.Certificates);
        Assert.All(all.Certificates, c => Assert.False(string.IsNullOrEmpty(c.Subject)));
    }
}
