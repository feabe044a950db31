using ActorLb.Testing;

namespace ActorLb.SystemTests.Peers;

/// <summary>
/// A node in a network namespace whose kernel has forty ephemeral ports. Its broker and clients live there too;
/// what is looked at is what the clients got and the node's own page.
/// </summary>
public sealed class SourceExhaustionTests
{
    private const int Ports = 40;

    [Fact]
    public async Task Sources_RunOutOfPorts_NextIsTakenAndThenClientsAreToldSo()
    {
        using var folder = new TempFolder();
        // Ports of fixed numbers: nobody else lives in the namespace.
        var file = folder.Write("lb.conf", $$"""
            actorlb {
              node { name = tiny, workers = 1, pid-file = off, max-connections = 1000 }
              admin.bind = "127.0.0.1:8888"
              pools.p {
                backends = ["127.0.0.1:1884"], health.probe = none, retry.tries = 1
                source-addresses = ["127.0.0.11", "127.0.0.12"]
              }
              listeners.mqtt { bind = "127.0.0.1:1883", pool = p }
            }
            """);
        var broker = folder.Write("mosquitto.conf", "user root\nlistener 1884 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nmax_connections -1\n");
        // Each client comes from an address and port of its own, so that only the node needs ephemeral ports.
        var clients = folder.Write("clients.mjs", """
            import net from 'node:net'
            const connect = id => Buffer.from([0x10, 12 + id.length, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, id.length, ...Buffer.from(id)])
            const codes = {}
            for (let i = 0; i < 100; i++) {
              await new Promise(done => {
                const client = net.connect({ port: 1883, host: '127.0.0.1', localAddress: `127.0.1.${i + 1}`, localPort: 20000 + i })
                client.on('connect', () => client.write(connect('c' + i)))
                client.on('data', data => { codes[data[3]] = (codes[data[3]] || 0) + 1; done() })
                client.on('error', error => { console.log('error ' + error.message); done() })
              })
            }
            const page = await (await fetch('http://127.0.0.1:8888/metrics')).text()
            for (const line of page.split('\n')) if (line.startsWith('actorlb_source_') || line.includes('"source_exhausted"')) console.log(line)
            console.log('codes ' + JSON.stringify(codes))
            process.exit(0)
            """);
        var script = folder.Write("inside.sh", $$"""
            set -e
            ip link set lo up
            echo "32768 {{32768 + Ports - 1}}" > /proc/sys/net/ipv4/ip_local_port_range
            mosquitto -c {{broker}} &
            {{ActorLbProcess.Program}} run -c {{file}} &
            for i in $(seq 200); do
              if (echo > /dev/tcp/127.0.0.1/1883) 2>/dev/null && (echo > /dev/tcp/127.0.0.1/1884) 2>/dev/null; then break; fi
              sleep 0.1
            done
            node {{clients}}
            """);
        await using var inside = ProcessHost.Start("unshare", ["--net", "--mount", "bash", script], SystemPath.Environment);
        var codes = await inside.WaitForLineAsync("codes ");

        // Forty ports to each of the two sources; the twenty others are told "server unavailable".
        Assert.Equal("codes {\"0\":80,\"3\":20}", codes);
        foreach (var source in new[] { "127.0.0.11", "127.0.0.12" })
            Assert.Contains($"actorlb_source_connections{{pool=\"p\",source=\"{source}\",destination=\"127.0.0.1:1884\"}} {Ports}", inside.Lines);
        Assert.Contains("actorlb_source_ports{pool=\"p\"} 40", inside.Lines);
        Assert.Contains("actorlb_source_exhausted_total 20", inside.Lines);
        Assert.Contains("actorlb_connections_rejected_total{reason=\"source_exhausted\"} 20", inside.Lines);
        // The last tenth of each source's ports warns.
        Assert.Contains("actorlb_source_warnings_total 8", inside.Lines);
        Assert.Contains(inside.Lines, l => l.Contains("more source-addresses or open files are needed", StringComparison.Ordinal));
    }
}
