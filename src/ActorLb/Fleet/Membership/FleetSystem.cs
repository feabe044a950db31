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

/// <summary>One actor system with Akka.Cluster: one membership. When that ends the process starts another.</summary>
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
        Self = new PeerId(Settings.Node, MemberTable.IncarnationOf(Cluster.SelfUniqueAddress));
        Family = IPAddress.TryParse(FleetConfig.PublicHost(Settings), out IPAddress? address) ? address.AddressFamily : Settings.Bind.AddressFamily;
        OwnAddresses = AddAliases();
        HoldShutdown();
    }

    public ActorSystem System { get; }

    public AkkaCluster Cluster { get; }

    public FleetSettings Settings { get; }

    public PeerId Self { get; }

    /// <summary>Akka's address of this system.</summary>
    public string Address { get; }

    public int Port => Cluster.SelfAddress.Port ?? 0;

    /// <summary>Name of the oldest member, where Akka runs its singletons; null when there is none.</summary>
    public string? Oldest => Cluster.State.Members.Where(m => MemberTable.IsUp(m.Status)).OrderBy(m => m, Akka.Cluster.Member.AgeOrdering).FirstOrDefault() is { } oldest
        ? MemberTable.IdOf(oldest).Name : null;

    public AddressFamily Family { get; }

    /// <summary>As host:port, whatever others may find this node by.</summary>
    public IReadOnlySet<string> OwnAddresses { get; }

    public TimeSpan Now => _time.GetElapsedTime(0);

    public DateTimeOffset WallClock => _time.GetUtcNow();

    /// <summary>What the fleet waits for, while this node is no member.</summary>
    public string Missing { get; set; } = "the seeds have not been asked yet";

    public bool IsLeaving => _host.Standing.Stage is FleetStage.Leaving or FleetStage.Stopped;

    /// <summary>What the seeds that answer say: whether one of them is a member of a cluster. Null before any has answered.</summary>
    public bool? FoundCluster { get; private set; }

    /// <summary>The membership ended because the node was told to leave.</summary>
    public bool HasLeft { get; private set; }

    /// <summary>The reason for which the membership ended.</summary>
    public Task<string> Ended => _ended.Task;

    /// <exception cref="Exception">The port is taken, or the user's block for Akka is not usable.</exception>
    public static FleetSystem Create(FleetHost host, int port, FleetSecurity security, IEnumerable<string> configurations, TimeProvider time)
    {
        ActorSystemSetup setup = ActorSystemSetup.Empty.And(
            BootstrapSetup.Create().WithConfig(FleetConfig.Build(host.Settings, port, security.Own is not null, configurations)));
        if (security.ToSetup(host.RefuseCertificate) is { } tls) setup = setup.And(tls);
        ActorSystem system = ActorSystem.Create(FleetConfig.SystemName, setup);
        ActorRestarts.Of(system).Logger = host.Logger;
        return new FleetSystem(host, system, time);
    }

    public void Start(IReadOnlyList<IFleetPart> parts)
    {
        System.ActorOf(AkkaLogActor.Props(_host.Logger, _host.LogLimit), "log");
        System.ActorOf(MembersActor.Props(this), MembersActor.Name);
        System.ActorOf(WitnessActor.Props(this), WitnessActor.Name);
        foreach (IFleetPart part in parts) part.Start(this);
        System.ActorOf(FormationActor.Props(this), FormationActor.Name);
        _ = System.WhenTerminated.ContinueWith(
            _ => End("the fleet system has stopped"), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Ends this membership; the first reason counts. The process starts a new system unless it is leaving.</summary>
    public void End(string reason) => _ended.TrySetResult(reason);

    /// <summary>Hands over what this member has and leaves; done when the system has ended.</summary>
    public Task LeaveAsync()
    {
        _leave.TrySetResult(Akka.Done.Instance);
        return CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);
    }

    /// <summary>The fleet has been told that this member leaves, by whomever.</summary>
    public void OnLeaving()
    {
        _host.OnLeaving(this);
        _leave.TrySetResult(Akka.Done.Instance);
    }

    /// <summary>The node has left as it was told to, by whatever node.</summary>
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
    /// Akka shuts a system down, leave and all, when one outbound TLS handshake fails: a stranger at a seed's address, or a peer that dies
    /// in its handshake, would do. Its shutdown waits in its first phase until the node leaves.
    /// </summary>
    private void HoldShutdown() => CoordinatedShutdown.Get(System).AddTask(
        CoordinatedShutdown.PhaseBeforeServiceUnbind, "wait until the node leaves",
        () => CoordinatedShutdown.Get(System).ShutdownReason is CoordinatedShutdown.ClusterLeavingReason
            ? Task.FromResult(Akka.Done.Instance) : _leave.Task);

    /// <summary>
    /// Akka takes only what is sent to the very address that it was told. Others know this node by the addresses of the seeds first, so
    /// it takes those too; the answer names the right one.
    /// </summary>
    private HashSet<string> AddAliases()
    {
        var provider = (IRemoteActorRefProvider)((ExtendedActorSystem)System).Provider;
        Address self = Cluster.SelfAddress;
        var own = new HashSet<string>(StringComparer.Ordinal) { $"{self.Host}:{self.Port}" };
        foreach (IPAddress address in SeedAddresses.AddressesOf(Settings.Bind.Address))
        {
            var alias = new IPEndPoint(address, BoundPort(provider));
            own.Add(alias.ToString());
            string host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            provider.Transport.Addresses.Add(new Address(self.Protocol, self.System, host, alias.Port));
        }
        return own;
    }

    /// <summary>Behind a translated port, others on this side still use the real one.</summary>
    private int BoundPort(IRemoteActorRefProvider provider) =>
        Settings.Bind.Port != 0 ? Settings.Bind.Port : provider.DefaultAddress.Port ?? 0;
}
