using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Peers;

/// <summary>
/// A node in a network namespace whose kernel has few ephemeral ports. Its brokers and clients live there too;
/// what is looked at is what the clients got and the node's own page.
/// </summary>
public sealed class SourceExhaustionTests
{
    private const int TooMany = 20;

    /// <param name="destinations">A port in use towards one of them is free towards the others (ip(7), IP_BIND_ADDRESS_NO_PORT).</param>
    [Theory]
    [InlineData("reactor", 40, 2, 1)]
    [InlineData("reactor", 40, 2, 2)]
    [InlineData("streams", 40, 2, 2)]
    [InlineData("streams", 100, 3, 1)]
    public async Task Sources_RunOutOfPorts_NextIsTakenAndThenClientsAreToldSo(string plane, int ports, int sources, int destinations)
    {
        int places = ports * sources * destinations;
        string[] addresses = [.. Enumerable.Range(11, sources).Select(i => $"127.0.0.{i}")];
        int[] brokers = [.. Enumerable.Range(1884, destinations)];
        string backends = string.Join(", ", brokers.Select(b => $"\"127.0.0.1:{b}\""));
        using var folder = new TempFolder();
        // Ports of fixed numbers: nobody else lives in the namespace.
        string file = folder.Write("lb.conf", $$"""
            actorlb {
              node { name = tiny, workers = 1, data-plane = {{plane}}, pid-file = off, max-connections = 1000 }
              admin.bind = "127.0.0.1:8888"
              pools.p {
                backends = [{{backends}}], health.probe = none, retry.tries = 1
                source-addresses = [{{string.Join(", ", addresses.Select(a => $"\"{a}\""))}}]
              }
              listeners.mqtt { bind = "127.0.0.1:1883", pool = p }
            }
            """);
        string broker = folder.Write("mosquitto.conf", "user root\nallow_anonymous true\nlog_dest stderr\n"
            + string.Concat(brokers.Select(b => $"listener {b} 127.0.0.1\nmax_connections -1\n")));
        string clients = folder.Write("clients.mjs", ClientsScript(places + TooMany));
        string script = folder.Write("inside.sh", $$"""
            set -e
            ip link set lo up
            echo "32768 {{32768 + ports - 1}}" > /proc/sys/net/ipv4/ip_local_port_range
            mosquitto -c {{broker}} &
            {{ActorLbProcess.Program}} run -c {{file}} &
            for i in $(seq 200); do
              if (echo > /dev/tcp/127.0.0.1/1883) 2>/dev/null && (echo > /dev/tcp/127.0.0.1/{{brokers[^1]}}) 2>/dev/null; then break; fi
              sleep 0.1
            done
            node {{clients}}
            """);
        await using var inside = ProcessHost.Start("unshare", ["--net", "--mount", "bash", script], SystemPath.Environment);
        string codes = await inside.WaitForLineAsync("codes ");

        // All ports of each source to each destination; the others are told "server unavailable".
        Assert.Equal($"codes {{\"0\":{places},\"3\":{TooMany}}}", codes);
        foreach (string source in addresses)
        {
            foreach (int port in brokers)
                Assert.Contains($"actorlb_source_connections{{pool=\"p\",source=\"{source}\",destination=\"127.0.0.1:{port}\"}} {ports}", inside.Lines);
        }

        Assert.Contains($"actorlb_source_ports{{pool=\"p\"}} {ports}", inside.Lines);
        Assert.Contains($"actorlb_source_exhausted_total {TooMany}", inside.Lines);
        Assert.Contains($"actorlb_connections_rejected_total{{listener=\"mqtt\",reason=\"source_exhausted\"}} {TooMany}", inside.Lines);
        // The last tenth of each pair's ports warns.
        Assert.Contains($"actorlb_source_warnings_total {places / 10}", inside.Lines);
        Assert.Contains(inside.Lines, l => l.Contains("add source-addresses or raise the limit of open files", StringComparison.Ordinal));
    }

    /// <summary>Each client comes from an address and port of its own, so that only the node needs ephemeral ports.</summary>
    private static string ClientsScript(int count) => $$"""
        import net from 'node:net'
        const connect = id => Buffer.from([0x10, 12 + id.length, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, id.length, ...Buffer.from(id)])
        const codes = {}
        for (let i = 0; i < {{count}}; i++) {
          await new Promise(done => {
            const client = net.connect({ port: 1883, host: '127.0.0.1', localAddress: `127.0.${1 + Math.floor(i / 200)}.${1 + i % 200}`, localPort: 20000 + i })
            client.on('connect', () => client.write(connect('c' + i)))
            client.on('data', data => { codes[data[3]] = (codes[data[3]] || 0) + 1; done() })
            client.on('error', error => { console.log('error ' + error.message); done() })
          })
        }
        const page = await fetch('http://127.0.0.1:8888/metrics').then(p => p.text()).catch(e => console.log('no page: ' + e.cause)) ?? ''
        for (const line of page.split('\n')) if (line.startsWith('actorlb_source_') || line.includes('"source_exhausted"')) console.log(line)
        console.log('codes ' + JSON.stringify(codes))
        process.exit(0)
        """;
}
