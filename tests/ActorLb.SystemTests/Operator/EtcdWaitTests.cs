using ActorLb.Testing;

namespace ActorLb.SystemTests.Operator;

/// <summary>A node without a shared secret cannot start before etcd answers.</summary>
public sealed class EtcdWaitTests
{
    [Fact]
    public async Task Start_EtcdAway_SaysWhatItWaitsFor_AndThatItGoesOn()
    {
        await using var etcd = await EtcdServer.StartAsync();
        etcd.Members[0].Kill();
        using var certificates = new TestCertificates();
        using var folder = new TempFolder();
        TestCertificate own = certificates.Server(["lb-1", "127.0.0.1"]);
        string client = etcd.Members[0].Client.ToString().TrimEnd('/');
        string file = folder.Write("lb.conf", $$"""
            actorlb {
              node { name = lb-1, workers = 1, data-dir = "{{folder["data"]}}", pid-file = "{{folder["pid"]}}" }
              admin.bind = "{{Ports.FreeEndPoint()}}"
              cluster {
                coordinator = etcd, name = c, bind = "{{Ports.FreeEndPoint()}}", etcd.endpoints = ["{{client}}"]
                tls { certificate = "{{own.CertificatePath}}", key = "{{own.KeyPath}}", ca = "{{certificates.CaPath}}" }
              }
              pools.p { balance = sticky, backends = ["127.0.0.1:1"], health.probe = none }
              listeners.mqtt { bind = "{{Ports.FreeEndPoint()}}", pool = p }
            }
            """);
        await using var node = ProcessHost.Start(ActorLbProcess.Program, ["run", "-c", file]);
        string line = await node.WaitForLineAsync("the start waits for etcd");
        Assert.Contains($"the start waits for etcd at {client}: ", line, StringComparison.Ordinal);
        Assert.Contains("refused", line, StringComparison.Ordinal);
        etcd.Members[0].Start();
        await node.WaitForLineAsync("the start goes on");
        await node.WaitForLineAsync("listener mqtt takes");
        Assert.Single(node.Lines, l => l.Contains("the start waits for etcd", StringComparison.Ordinal));
    }
}
