using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>
/// Messages between processes: in order within a kind, as with remoting; delayed, lost, cut off in one direction, and some
/// repeated after their epoch has passed.
/// </summary>
internal sealed class SimNetwork(SimWorld world, Func<IEnumerable<SimNode>> nodes)
{
    private readonly HashSet<(int From, int To)> _cut = [];
    private readonly Dictionary<(int From, int To, bool IsLookup), long> _lastArrival = [];

    public double Loss { get; set; }

    public int MaxDelay { get; set; } = 3;

    /// <summary>What a broken variant of the protocol does to a message in transit.</summary>
    public Func<SimNode, MapMessage, MapMessage>? Tamper { get; set; }

    /// <summary>Called right before every delivery; the returned action is called right after.</summary>
    public Func<SimNode, MapMessage, Action?>? Handing { get; set; }

    public bool IsClean => _cut.Count == 0 && Loss == 0 && MaxDelay <= 5;

    public void Cut(SimNode from, SimNode to) => _cut.Add((from.Process, to.Process));

    public void HealAll()
    {
        _cut.Clear();
        Loss = 0;
        MaxDelay = 3;
    }

    public bool IsOpen(SimNode a, SimNode b) => !_cut.Contains((a.Process, b.Process)) && !_cut.Contains((b.Process, a.Process));

    public void Send(SimNode from, MemberId to, MapMessage message)
    {
        var target = nodes().FirstOrDefault(n => n.IsAlive && n.Id == to);
        if (target is null || !from.IsAlive || _cut.Contains((from.Process, target.Process)) || world.Chance(Loss))
        {
            return;
        }

        Assert.InRange(message is MapMessages all ? all.Items.Sum(i => i.Size) : message.Size, 1, 1 << 16);
        var sender = from.Id;
        var key = (from.Process, target.Process, message is LookupBatch or LookupAnswers);
        long arrival = Math.Max(world.Now + world.Random.Next(MaxDelay + 1), _lastArrival.GetValueOrDefault(key));
        _lastArrival[key] = arrival;
        world.At(arrival, () => Deliver(sender, from, to, target, message));
    }

    private void Deliver(MemberId sender, SimNode from, MemberId to, SimNode target, MapMessage message)
    {
        if (!_cut.Contains((from.Process, target.Process)))
        {
            target.Do(() =>
            {
                if (target.Id == to)
                {
                    foreach (var item in message is MapMessages all ? all.Items : [message])
                    {
                        Hand(target, sender, item);
                        Replay(target, sender, item);
                    }
                }
            });
        }
    }

    /// <summary>
    /// Repeats messages that change copies seconds later, when their epoch has passed: they must change nothing.
    /// </summary>
    private void Replay(SimNode target, MemberId sender, MapMessage message)
    {
        if (message is not (Replicate or Learn or Seal or SnapshotChunk or Touch or Offer) || !world.Chance(0.03))
        {
            return;
        }

        world.In(world.Random.Next(1000, 6000), () =>
        {
            var about = (ShardMessage)message;
            if (target.Runs && about.Epoch < (target.Map.Shards[about.Shard].Seats?.Epoch ?? 0))
            {
                Hand(target, sender, message);
            }
        });
    }

    private void Hand(SimNode target, MemberId sender, MapMessage message)
    {
        var check = Handing?.Invoke(target, message);
        target.Map.Receive(sender, Tamper?.Invoke(target, message) ?? message);
        check?.Invoke();
    }
}
