using ActorLb.Testing;

namespace ActorLb.SystemTests.Peers;

/// <summary>
/// A node in a network namespace whose kernel has forty ephemeral ports. Its brokers and clients live there too;
/// what is looked at is what the clients got and the node's own page.
/// </summary>
public sealed class SourceExhaustionTests
{
    private const int Ports = 40;

    /// <param name="destinations">A port in use towards one of them is free towards the others (ip(7), IP_BIND_ADDRESS_NO_PORT).</param>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Sources_RunOutOfPorts_NextIsTakenAndThenClientsAreToldSo(int destinations)
    {
        int[] brokers = [.. Enumerable.Range(1884, destinations)];
        var backends = string.Join(", ", brokers.Select(b => $"\"127.0.0.1:{b}\""));
        using var folder = new TempFolder();
        // Ports of fixed numbers: nobody else lives in the namespace.
        var file = folder.Write("lb.conf", $$"""
            actorlb {
              node { name = tiny, workers = 1, pid-file = off, max-connections = 1000 }
              admin.bind = "127.0.0.1:8888"
              pools.p {
                backends = [{{backends}}], health.probe = none, retry.tries = 1
                source-addresses = ["127.0.0.11", "127.0.0.12"]
              }
              listeners.mqtt { bind = "127.0.0.1:1883", pool = p }
            }
            """);
        var broker = folder.Write("mosquitto.conf", "user root\nallow_anonymous true\nlog_dest stderr\n"
            + string.Concat(brokers.Select(b => $"listener {b} 127.0.0.1\nmax_connections -1\n")));
        // Each client comes from an address and port of its own, so that only the node needs ephemeral ports.
        var clients = folder.Write("clients.mjs", $$"""
            import net from 'node:net'
            const connect = id => Buffer.from([0x10, 12 + id.length, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, id.length, ...Buffer.from(id)])
            const codes = {}
            for (let i = 0; i < {{100 * destinations}}; i++) {
              await new Promise(done => {
                const client = net.connect({ port: 1883, host: '127.0.0.1', localAddress: `127.0.1.${i + 1}`, localPort: 20000 + i })
                client.on('connect', () => client.write(connect('c' + i)))
                client.on('data', data => { codes[data[3]] = (codes[data[3]] || 0) + 1; done() })
                client.on('error', error => { console.log('error ' + error.message); done() })
              })
            }
            const page = await fetch('http://127.0.0.1:8888/metrics').then(p => p.text()).catch(e => console.log('no page: ' + e.cause)) ?? ''
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
              if (echo > /dev/tcp/127.0.0.1/1883) 2>/dev/null && (echo > /dev/tcp/127.0.0.1/{{brokers[^1]}}) 2>/dev/null; then break; fi
              sleep 0.1
            done
            node {{clients}}
            """);
        await using var inside = ProcessHost.Start("unshare", ["--net", "--mount", "bash", script], SystemPath.Environment);
        var codes = await inside.WaitForLineAsync("codes ");

        // Forty ports from each of the two sources to each destination; the others are told "server unavailable".
        Assert.Equal($"codes {{\"0\":{80 * destinations},\"3\":{20 * destinations}}}", codes);
        foreach (var source in new[] { "127.0.0.11", "127.0.0.12" })
            foreach (var port in brokers)
                Assert.Contains($"actorlb_source_connections{{pool=\"p\",source=\"{source}\",destination=\"127.0.0.1:{port}\"}} {Ports}", inside.Lines);
        Assert.Contains("actorlb_source_ports{pool=\"p\"} 40", inside.Lines);
        Assert.Contains($"actorlb_source_exhausted_total {20 * destinations}", inside.Lines);
        Assert.Contains($"actorlb_connections_rejected_total{{reason=\"source_exhausted\"}} {20 * destinations}", inside.Lines);
        // The last tenth of each pair's ports warns.
        Assert.Contains($"actorlb_source_warnings_total {8 * destinations}", inside.Lines);
        Assert.Contains(inside.Lines, l => l.Contains("more source-addresses or open files are needed", StringComparison.Ordinal));
    }
}
