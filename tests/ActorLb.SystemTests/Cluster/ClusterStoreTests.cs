using ActorLb.Cluster;
using ActorLb.Cluster.Etcd;
using ActorLb.Cluster.InProcess;
using ActorLb.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.SystemTests.Cluster;

public sealed class InProcessStoreTests : ClusterStoreConformance
{
    private protected override IClusterStore Open() => new InProcessStore(TimeProvider.System);

    private protected override Task CompactAsync(IClusterStore store, long revision)
    {
        ((InProcessStore)store).Compact(revision);
        return Task.CompletedTask;
    }
}

public sealed class EtcdStoreTests(EtcdStoreTests.Server server) : ClusterStoreConformance, IClassFixture<EtcdStoreTests.Server>
{
    private protected override IClusterStore Open() =>
        new EtcdStore(server.Etcd.Options($"/t/{Guid.NewGuid():N}"), TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);

    private protected override Task CompactAsync(IClusterStore store, long revision) => server.Etcd.Members[0].ControlAsync("compact", $"{revision}");

    public sealed class Server : IAsyncLifetime
    {
        internal EtcdServer Etcd { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Etcd = await EtcdServer.StartAsync();

        public ValueTask DisposeAsync() => Etcd.DisposeAsync();
    }
}
