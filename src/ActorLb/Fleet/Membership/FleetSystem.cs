using System.Net;
using System.Net.Sockets;
using ActorLb.Sticky.Map;
using ActorLb.Supervision;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Remote;
using Microsoft.Extensions.Logging;
using AkkaCluster = Akka.Cluster.Cluster;

namespace ActorLb.Fleet.Membership;

/// <summary>One actor system with Akka.Cluster, which is one membership. When it ends, the process starts another.</summary>
internal sealed partial class FleetSystem
{
    private readonly FleetHost _host;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource<Akka.Done> _leave = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FleetSystem(FleetHost host, ActorSystem system, TimeProvider time)
    {
        _host = host;
        _time = time;
        System = system;
        Cluster = AkkaCluster.Get(system);
        Settings = host.Settings;
        Address = Cluster.SelfAddress.ToString();
        Self = new MemberId(Settings.Node, MemberTable.IncarnationOf(Cluster.SelfUniqueAddress));
        Family = IPAddress.TryParse(FleetConfig.PublicHost(Settings), out var address) ? address.AddressFamily : Settings.Bind.AddressFamily;
        OwnAddresses = AddAliases();
        HoldShutdown();
    }

    public ActorSystem System { get; }

    public AkkaCluster Cluster { get; }

    public FleetSettings Settings { get; }

    public MemberId Self { get; }

    /// <summary>This system's Akka address.</summary>
    public string Address { get; }

    public int Port => Cluster.SelfAddress.Port ?? 0;

    /// <summary>Name of the oldest member, where Akka runs its singletons; null if there is none.</summary>
    public string? Oldest => Cluster.State.Members.Where(m => MemberTable.IsUp(m.Status)).OrderBy(m => m, Akka.Cluster.Member.AgeOrdering).FirstOrDefault() is { } oldest
        ? MemberTable.IdOf(oldest).Name : null;

    public AddressFamily Family { get; }

    /// <summary>All addresses by which others may find this node, as host:port.</summary>
    public IReadOnlySet<string> OwnAddresses { get; }

    public TimeSpan Now => _time.GetElapsedTime(0);

    public DateTimeOffset WallClock => _time.GetUtcNow();

    /// <summary>What is missing to form or join a fleet, while this node is not a member.</summary>
    public string Missing { get; set; } = "the seeds have not been asked yet";

    public bool IsLeaving => _host.Standing.Stage is FleetStage.Leaving or FleetStage.Stopped;

    /// <summary>Whether one of the answering seeds is a member of a cluster; null before any has answered.</summary>
    public bool? FoundCluster { get; private set; }

    /// <summary>The membership ended because an operator ordered the node to leave.</summary>
    public bool HasLeft { get; private set; }

    /// <summary>Completes with the reason when the membership ends.</summary>
    public Task<string> Ended => _ended.Task;

    /// <exception cref="Exception">The port is in use, or the user's <c>akka</c> block is invalid.</exception>
    public static FleetSystem Create(FleetHost host, int port, FleetSecurity security, IEnumerable<string> configurations, TimeProvider time)
    {
        var setup = ActorSystemSetup.Empty.And(
            BootstrapSetup.Create().WithConfig(FleetConfig.Build(host.Settings, port, security.Own is not null, configurations)));
        if (security.ToSetup(host.RefuseCertificate) is { } tls) setup = setup.And(tls);
        var system = ActorSystem.Create(FleetConfig.SystemName, setup);
        ActorRestarts.Of(system).Logger = host.Logger;
        return new FleetSystem(host, system, time);
    }

    public void Start(IReadOnlyList<IFleetPart> parts)
    {
        System.ActorOf(AkkaLogActor.Props(_host.Logger, _host.LogLimit), "log");
        System.ActorOf(MembersActor.Props(this), MembersActor.Name);
        System.ActorOf(WitnessActor.Props(this), WitnessActor.Name);
        foreach (var part in parts) part.Start(this);
        System.ActorOf(FormationActor.Props(this), FormationActor.Name);
        _ = System.WhenTerminated.ContinueWith(
            _ => End("the fleet system has stopped"), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>
    /// Ends this membership; only the first reason counts. The process starts another system unless it is leaving.
    /// </summary>
    public void End(string reason) => _ended.TrySetResult(reason);

    /// <summary>Hands over the shards and leaves; completes when the system has ended.</summary>
    public Task LeaveAsync()
    {
        _leave.TrySetResult(Akka.Done.Instance);
        return CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);
    }

    /// <summary>This member is leaving, by its own decision or another node's order.</summary>
    public void OnLeaving()
    {
        _host.OnLeaving(this);
        _leave.TrySetResult(Akka.Done.Instance);
    }

    /// <summary>The node has left as ordered.</summary>
    public void EndByLeave()
    {
        HasLeft = true;
        End("the node has left");
    }

    /// <param name="found">See <see cref="FoundCluster"/>; null changes nothing.</param>
    public void OnSeedsAnswered(bool? found)
    {
        if (found is null || found == FoundCluster) return;
        FoundCluster = found;
        _host.OnSeedsAnswered();
    }

    public void Publish(ClusterMembers members) => _host.Publish(this, members);

    public void Report(string kind, string text) => _host.Report(kind, text);

    public void Refuse(Hello hello, Address from, string reason) => _host.Refuse($"{hello.Node} ({from.Host}:{from.Port})", reason);

    /// <summary>
    /// Akka leaves the cluster and shuts down the system when a single outbound TLS handshake fails, for instance because
    /// something else listens at a seed's address or a member dies during its handshake. This task blocks the shutdown in its
    /// first phase unless the node is leaving.
    /// </summary>
    private void HoldShutdown() => CoordinatedShutdown.Get(System).AddTask(
        CoordinatedShutdown.PhaseBeforeServiceUnbind, "wait until the node leaves",
        () => CoordinatedShutdown.Get(System).ShutdownReason is CoordinatedShutdown.ClusterLeavingReason
            ? Task.FromResult(Akka.Done.Instance) : _leave.Task);

    /// <summary>
    /// Akka accepts only messages sent to its configured address. Other nodes first use the seeds' addresses, so accept those
    /// too; the answer contains the right one.
    /// </summary>
    private HashSet<string> AddAliases()
    {
        var provider = (IRemoteActorRefProvider)((ExtendedActorSystem)System).Provider;
        var self = Cluster.SelfAddress;
        var own = new HashSet<string>(StringComparer.Ordinal) { $"{self.Host}:{self.Port}" };
        foreach (var address in SeedAddresses.AddressesOf(Settings.Bind.Address))
        {
            var alias = new IPEndPoint(address, BoundPort(provider));
            own.Add(alias.ToString());
            string host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            provider.Transport.Addresses.Add(new Address(self.Protocol, self.System, host, alias.Port));
        }
        return own;
    }

    /// <summary>Behind port translation, nodes on the same side still use the real port.</summary>
    private int BoundPort(IRemoteActorRefProvider provider) =>
        Settings.Bind.Port != 0 ? Settings.Bind.Port : provider.DefaultAddress.Port ?? 0;
}
