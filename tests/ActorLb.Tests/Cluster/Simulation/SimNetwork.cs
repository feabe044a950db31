using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Tests.Cluster.Simulation;

/// <summary>
/// Frames between processes: in order within a lane as TCP keeps them, late, lost when a connection breaks, silent when a direction is
/// cut. A cut of half a second or more takes the link down on both sides, as a keep-alive would.
/// </summary>
internal sealed class SimNetwork(SimWorld world)
{
    private readonly Dictionary<(int From, int To), long> _cut = [];
    private readonly Dictionary<(int From, int To, PeerLane Lane), long> _lastArrival = [];
    private readonly List<byte[]> _old = [];

    public double Loss { get; set; }

    public int MaxDelay { get; set; } = 3;

    /// <summary>How often a peer's queue is too full to take a frame.</summary>
    public double Full { get; set; }

    /// <summary>What a broken variant of the protocol does to a frame on its way.</summary>
    public Func<SimNode, byte[], byte[]>? Tamper { get; set; }

    /// <summary>Sees every frame as it leaves and as it arrives.</summary>
    public Action<SimNode, SimNode, byte[]>? Sent { get; set; }

    public Action<SimNode, SimNode, byte[]>? Arrived { get; set; }

    /// <summary>Sees every frame right before it is handed over; what it returns is called right after.</summary>
    public Func<SimNode, byte[], Action?>? Handing { get; set; }

    public bool IsClean => _cut.Count == 0 && Loss == 0 && Full == 0 && MaxDelay <= 5;

    public void Cut(SimNode from, SimNode to) => _cut.TryAdd((from.Process, to.Process), world.Now);

    public void HealAll()
    {
        _cut.Clear();
        Loss = Full = 0;
        MaxDelay = 3;
    }

    public bool IsUp(SimNode a, SimNode b) => a.IsAlive && (b.IsAlive || world.Now < b.DiedVisiblyAt)
        && !IsLongCut((a.Process, b.Process)) && !IsLongCut((b.Process, a.Process));

    public bool Send(SimNode from, SimNode to, ReadOnlySpan<byte> frame, PeerLane lane)
    {
        if (!IsUp(from, to) || (Full > 0 && world.Chance(Full)))
        {
            return false;
        }

        var bytes = frame.ToArray();
        Sent?.Invoke(from, to, bytes);
        if (_cut.ContainsKey((from.Process, to.Process)) || world.Chance(Loss) || !to.IsAlive)
        {
            return true;
        }

        var key = (from.Process, to.Process, lane);
        var arrival = Math.Max(world.Now + world.Random.Next(MaxDelay + 1), _lastArrival.GetValueOrDefault(key));
        _lastArrival[key] = arrival;
        world.At(arrival, () => Deliver(from, to, bytes));
        KeepForReplay(from, to, bytes);
        return true;
    }

    private void Deliver(SimNode from, SimNode to, byte[] bytes)
    {
        if (to.IsAlive && !_cut.ContainsKey((from.Process, to.Process)))
        {
            Arrived?.Invoke(from, to, bytes);
            Hand(from, to, bytes);
        }
    }

    /// <summary>Frames that change copies come again, seconds later, when their epoch has passed: they must change nothing.</summary>
    private void KeepForReplay(SimNode from, SimNode to, byte[] bytes)
    {
        var type = (PeerFrameType)bytes[4];
        if (type is not (PeerFrameType.Replicate or PeerFrameType.Learn or PeerFrameType.Seal or PeerFrameType.Chunk) || !world.Chance(0.02))
        {
            return;
        }

        _old.Add(bytes);
        world.In(world.Random.Next(1000, 8000), () =>
        {
            PeerFrameHeader.TryRead(bytes, out var header);
            if (from.IsAlive && to.IsAlive && header.Epoch < to.Region.Context.View.Map.Epoch && !_cut.ContainsKey((from.Process, to.Process)))
            {
                Hand(from, to, bytes);
            }
        });
    }

    private void Hand(SimNode from, SimNode to, byte[] bytes)
    {
        var check = Handing?.Invoke(to, bytes);
        to.OnFrame(from, Tamper?.Invoke(to, bytes) ?? bytes);
        check?.Invoke();
    }

    private bool IsLongCut((int, int) way) => _cut.TryGetValue(way, out var since) && world.Now - since >= 500;
}

/// <summary>The link of one process to another.</summary>
internal sealed class SimLink(SimNetwork network, SimNode from, SimNode to) : IPeerLink
{
    public PeerId Peer => to.Id;

    public SimNode To => to;

    public bool IsUp => network.IsUp(from, to);

    public bool Send(ReadOnlySpan<byte> frame, PeerLane lane) => network.Send(from, to, frame, lane);
}
