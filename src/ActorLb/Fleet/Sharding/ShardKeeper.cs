using ActorLb.Fleet.Membership;
using Akka.Actor;

namespace ActorLb.Fleet.Sharding;

/// <summary>
/// Opens every shard that has no live owner, because Akka's sharding starts one only when it gets a message. Also watches this
/// node's region, which a coordinator's hand-over can stop for good (akka.net issue 8583): only another fleet system brings it
/// back.
/// </summary>
internal sealed class ShardKeeper : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);

    private readonly MapPart _part;
    private readonly FleetSystem _fleet;
    private readonly IActorRef _region;

    public ShardKeeper(MapPart part, FleetSystem fleet, IActorRef region)
    {
        _part = part;
        _fleet = fleet;
        _region = region;
        Receive<LookAtShards>(_ => Look());
        // A removed node loses its region too. Wait for that reason, which is more precise.
        Receive<Terminated>(_ => Timers.StartSingleTimer("stopped", RegionStopped.Instance, Grace));
        Receive<RegionStopped>(_ => OnRegionStopped());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(MapPart part, FleetSystem fleet, IActorRef region) =>
        Akka.Actor.Props.Create(() => new ShardKeeper(part, fleet, region));

    protected override void PreStart()
    {
        Context.Watch(_region);
        Timers.StartPeriodicTimer("look", LookAtShards.Instance, Every);
    }

    private void Look()
    {
        for (int shard = 0; shard < _part.Shards; shard++)
        {
            if (_part.LacksOwner(shard)) _region.Tell(new OpenShard(shard));
        }
    }

    private void OnRegionStopped()
    {
        // A planned leave also stops the region.
        if (!_fleet.IsLeaving) _fleet.End("its shard region has stopped");
    }

    private sealed class RegionStopped : INoSerializationVerificationNeeded
    {
        public static readonly RegionStopped Instance = new();
    }
}
