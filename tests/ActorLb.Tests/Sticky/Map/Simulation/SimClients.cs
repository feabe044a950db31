using ActorLb.Hosting;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using AdminState = ActorLb.Balancing.AdminState;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>A client with at most one MQTT session, because brokers take over older ones.</summary>
internal sealed class SimClient(ulong h)
{
    public ulong H => h;

    public SimNode? Node { get; set; }

    public BackendRef Backend { get; set; }

    public uint Session { get; set; }

    public long Opened { get; set; }

    public bool IsConnected => Node is { IsAlive: true };

    /// <summary>All backends on which this client ever had a session.</summary>
    public HashSet<BackendRef> Been { get; } = [];

    /// <summary>
    /// Backends of sessions about as old as the current one, if one of them was opened without the owner's answer: the order of
    /// sessions within a tick of 64 ms is unknown.
    /// </summary>
    public HashSet<BackendRef> Tied { get; } = [];

    public StickyOutcome Outcome { get; set; }
}

/// <summary>
/// Connects clients through random nodes, as a DNS name would, and plays the reactors' part towards the sticky map.
/// </summary>
internal sealed class SimClients : IStickyWaiter
{
    private readonly SimWorld _world;
    private readonly Func<List<SimNode>> _nodes;
    private readonly Dictionary<ulong, Pending> _pending = [];
    private readonly HashSet<ulong> _forgotten = [];
    private ulong _ticket;

    public SimClients(SimWorld world, Func<List<SimNode>> nodes, int count)
    {
        _world = world;
        _nodes = nodes;
        All = [.. Enumerable.Range(0, count).Select(_ => new SimClient((ulong)world.Random.NextInt64() ^ ((ulong)world.Random.NextInt64() << 1)))];
    }

    public List<SimClient> All { get; }

    public bool IsPaused { get; set; }

    /// <summary>Names of brokers that currently refuse connections.</summary>
    public HashSet<string> DeadBrokers { get; } = [];

    public long Answers { get; private set; }

    public Dictionary<StickyOutcome, long> Outcomes { get; } = [];

    /// <summary>Lets a client do one thing.</summary>
    public void Step()
    {
        if (!IsPaused)
        {
            var client = _world.Pick(All);
            if (client.IsConnected && !client.Node!.IsStalled && _world.Chance(0.3))
            {
                Disconnect(client);
            }
            else
            {
                Connect(client);
                if (_world.Chance(0.1))
                {
                    Connect(client);
                }
            }
        }
    }

    public void Connect(SimClient client)
    {
        var nodes = _nodes();
        nodes.RemoveAll(n => n.IsStalled);
        if (nodes.Count == 0)
        {
            return;
        }

        var node = _world.Pick(nodes);
        ulong ticket = ++_ticket;
        _pending[ticket] = new Pending(client, node, _world.Now, Moves: 0);
        if (node.Map.GetOrAssign(client.H, Proposals(node), this, ticket, out var answer))
        {
            Complete(ticket, answer);
        }
    }

    public void Complete(ulong ticket, in StickyAnswer answer)
    {
        if (!_pending.Remove(ticket, out var pending))
        {
            if (!_forgotten.Contains(ticket))
            {
                _world.Fail("a lookup was answered twice");
            }

            return;
        }

        Answers++;
        Outcomes[answer.Outcome] = Outcomes.GetValueOrDefault(answer.Outcome) + 1;
        if (_world.Now - pending.Started > 105 && pending.Node.StalledUntil < pending.Started)
        {
            _world.Fail($"a decision took {_world.Now - pending.Started} ms (rule 9)");
        }

        var node = pending.Node;
        if (!node.IsAlive)
        {
            return;
        }

        if (!answer.Backend.IsNone && !node.Slots.IsKept(answer.Backend))
        {
            _world.Fail($"{answer.Outcome} answered {answer.Backend}, which is gone or in maintenance (rule 5)");
        }

        var backend = answer.Backend.IsNone ? FallbackOf(node, pending.Client.H) : answer.Backend;
        if (backend.IsNone)
        {
            return;
        }

        if (DeadBrokers.Contains(NameOf(node, backend)))
        {
            Move(pending, node, backend);
            return;
        }

        Open(pending.Client, node, backend, answer.Backend.IsNone ? StickyOutcome.Fallback : answer.Outcome);
    }

    /// <summary>Ends the sessions of a dead process; their clients reconnect over time.</summary>
    public void OnCrash(SimNode node)
    {
        foreach (var client in All.Where(c => c.Node == node))
        {
            client.Node = null;
            _world.In(_world.Random.Next(1, 1500), () =>
            {
                if (client.Node is null && !IsPaused)
                {
                    Connect(client);
                }
            });
        }

        foreach (var (ticket, pending) in _pending.ToArray())
        {
            if (pending.Node == node)
            {
                _pending.Remove(ticket);
                _forgotten.Add(ticket);
            }
        }
    }

    public void CheckNothingPending()
    {
        foreach (var pending in _pending.Values)
        {
            if (_world.Now - pending.Started > 105)
            {
                _world.Fail($"a lookup begun at {pending.Started} ms was never answered (rule 9)");
            }
        }
    }

    /// <summary>The node's own choice without an answer: the same on every node with the same knowledge.</summary>
    public static BackendRef FallbackOf(SimNode node, ulong h) => node.Brokers.Where(b => b.Value.State == AdminState.Up)
        .OrderBy(b => ShardRendezvous.Draw(h, ShardRendezvous.NumberOf(b.Key), 1)).Select(b => b.Value.Backend).FirstOrDefault();

    private static string NameOf(SimNode node, BackendRef backend) => node.Brokers.FirstOrDefault(b => b.Value.Backend == backend).Key ?? "";

    private BackendRef[] Proposals(SimNode node)
    {
        var up = node.Brokers.Where(b => b.Value.State == AdminState.Up && !DeadBrokers.Contains(b.Key)).Select(b => b.Value.Backend).ToArray();
        _world.Random.Shuffle(up);
        return up;
    }

    private void Move(Pending pending, SimNode node, BackendRef dead)
    {
        if (pending.Moves == 3)
        {
            return;
        }

        ulong ticket = ++_ticket;
        _pending[ticket] = pending with { Started = _world.Now, Moves = pending.Moves + 1 };
        if (node.Map.Reassign(pending.Client.H, dead, Proposals(node), this, ticket, out var answer))
        {
            Complete(ticket, answer);
        }
    }

    private void Open(SimClient client, SimNode node, BackendRef backend, StickyOutcome outcome)
    {
        var (oldNode, oldBackend, oldSession) = (client.Node, client.Backend, client.Session);
        bool isClose = _world.Now - client.Opened < 200 && (IsUnconfirmed(outcome) || IsUnconfirmed(client.Outcome));
        if (!isClose)
        {
            client.Tied.Clear();
        }

        else
        {
            client.Tied.Add(oldBackend);
        }

        client.Outcome = outcome;
        client.Node = node;
        client.Backend = backend;
        client.Session = node.Map.Opened(client.H, backend, outcome);
        client.Opened = _world.Now;
        client.Been.Add(backend);
        _world.Trace(client.H, () => $"the client opens {backend} through {node.Id.Name}#{node.Process}, {outcome}");
        if (oldNode is { IsAlive: true })
        {
            // The broker ends the older session, whose node notices slightly later.
            _world.In(_world.Random.Next(0, 30), () =>
            {
                if (oldNode.IsAlive)
                {
                    oldNode.Map.Closed(client.H, oldBackend, oldSession);
                }
            });
        }
    }

    private static bool IsUnconfirmed(StickyOutcome outcome) => outcome is StickyOutcome.Fallback or StickyOutcome.Hedge;

    private void Disconnect(SimClient client)
    {
        _world.Trace(client.H, () => $"the client leaves {client.Backend}");
        client.Node!.Map.Closed(client.H, client.Backend, client.Session);
        client.Node = null;
    }

    private sealed record Pending(SimClient Client, SimNode Node, long Started, int Moves);
}
