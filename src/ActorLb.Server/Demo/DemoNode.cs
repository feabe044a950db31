using System.Globalization;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Server.Admin;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Demo;

/// <summary>The demo's balancer: a node as started by <c>actorlb run</c>, with a file that exists as long as the demo runs.</summary>
internal sealed class DemoNode : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly NodeLogging _logging;
    private readonly Node _node;
    private readonly AdminEndpoint _admin;

    private DemoNode(DirectoryInfo folder, string file, ActorLbOptions options)
    {
        _folder = folder;
        File = file;
        _logging = new NodeLogging(options.Log);
        _node = new Node(options, _logging.Factory, TimeProvider.System);
        _admin = new AdminEndpoint(_node, _logging, new NodeControl(_node, _logging, file, TimeProvider.System));
    }

    /// <summary>The configuration file; <c>pbm config reload</c> reloads it.</summary>
    public string File { get; }

    public IPEndPoint Clients => _node.Listeners.Single().BoundTo!;

    public IPEndPoint Admin => _admin.Address;

    /// <summary>Connections to a broker, as the balancer counts them.</summary>
    public int ConnectionsTo(DemoBroker broker)
    {
        string id = broker.Address.ToString();
        foreach (var backend in _node.Pools.Single().Pool.Snapshot.Backends)
        {
            if (backend.Id == id) return backend.Active;
        }
        return 0;
    }

    /// <param name="port">Of the listener; 0 for any free one. The same goes for <paramref name="adminPort"/>.</param>
    /// <exception cref="IOException">A port cannot be taken.</exception>
    public static async Task<DemoNode> StartAsync(IEnumerable<DemoBroker> brokers, int clients, int port, int adminPort, CancellationToken cancel)
    {
        var folder = NewFolder();
        DemoNode? node = null;
        try
        {
            string file = Path.Combine(folder.FullName, "demo.conf");
            await System.IO.File.WriteAllTextAsync(file, Configuration(brokers, clients, port, adminPort), cancel);
            var loaded = NamedFiles.Check(ConfigurationLoader.Load(file));
            if (loaded.Options is not { } options) throw new DemoFailure(string.Join('\n', loaded.Errors));
            node = new DemoNode(folder, file, options);
            await node._admin.StartAsync(options.Admin);
            await node._node.StartAsync(cancel);
            return node;
        }
        catch
        {
            if (node is not null) await node.DisposeAsync();
            else folder.Delete(recursive: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _admin.DisposeAsync();
        await _node.DisposeAsync();
        _logging.Dispose();
        _folder.Delete(recursive: true);
    }

    private static DirectoryInfo NewFolder()
    {
        try
        {
            return Directory.CreateTempSubdirectory("actorlb-demo-");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DemoFailure($"cannot create a directory for the balancer's file in {Path.GetTempPath()}; set TMPDIR to another one");
        }
    }

    private static string Configuration(IEnumerable<DemoBroker> brokers, int clients, int port, int adminPort) => string.Create(CultureInfo.InvariantCulture, $$"""
        # Of actorlb demo. Change it, then: pbm config reload
        actorlb {
          # Some more than there are, for clients of your own.
          node { name = demo, workers = 1, data-plane = {{(OperatingSystem.IsLinux() ? "reactor" : "streams")}}, max-connections = {{clients + 100}}, drain-timeout = 4s, pid-file = off }
          log.level = warning
          admin.bind = "127.0.0.1:{{adminPort}}"
          pools.brokers {
            balance = sticky
            backends = [{{string.Join(", ", brokers.Select(broker => $"\"{broker.Address}\""))}}]
            # A probe that signs on would be one more client in the brokers' count at times.
            health.probe = tcp
          }
          listeners.mqtt { bind = "127.0.0.1:{{port}}", pool = brokers }
        }

        """);
}
