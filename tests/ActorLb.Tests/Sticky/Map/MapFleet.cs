using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using Microsoft.Extensions.Time.Testing;
using Placement = ActorLb.Sticky.Map.Placement;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>The maps of several nodes in fake time. Messages wait until they are delivered; any may be lost.</summary>
internal sealed class MapFleet : IDisposable
{
    public const int Shards = 4;

    private readonly List<Node> _nodes = [];
    private readonly Queue<(MemberId From, MemberId To, MapMessage Message)> _queue = new();

    public MapFleet(params string[] names)
    {
        Slots.Set(A, AdminState.Up);
        Slots.Set(B, AdminState.Up);
        foreach (string name in names)
        {
            Add(name);
        }
    }

    public static BackendRef A { get; } = new(1, 1);

    public static BackendRef B { get; } = new(2, 1);

    public FakeTimeProvider Time { get; } = new();

    public BackendSlots Slots { get; } = new();

    /// <summary>Whether a message is lost.</summary>
    public Func<MemberId, MemberId, MapMessage, bool> Loses { get; set; } = (_, _, _) => false;

    /// <summary>All messages sent, with envelopes unpacked.</summary>
    public List<(string From, string To, MapMessage Message)> Sent { get; } = [];

    public Node this[string name] => _nodes.Find(n => n.Id.Name == name)!;

    public Node Add(string name, MapSettings? settings = null)
    {
        var node = new Node(this, new MemberId(name, (ulong)(_nodes.Count + 1)), settings);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Makes these nodes the members on all of them.</summary>
    public void Members(params string[] names) => Change(names.Select(n => new MapMember(this[n].Id)).ToArray());

    public void Change(params MapMember[] members)
    {
        foreach (var member in members)
        {
            this[member.Id.Name].Map.SetMembers(new MapMembers(member.Id, members));
        }

        Pass(30);
    }

    /// <summary>Opens every shard on its desired node, and waits until all have a replica.</summary>
    public void OpenAll(params string[] names)
    {
        Members(names);
        var owners = Placement.Owners(this[names[0]].Map.Members!, Shards);
        for (int shard = 0; shard < Shards; shard++)
        {
            _nodes.Find(n => n.Id == owners[shard])!.Map.BeginOpen(shard);
        }

        Pass(1500);
        Assert.All(this[names[0]].Map.Directory.Shards, s => Assert.True(names.Length == 1 || s is { ReplicaIsComplete: true, Next: null }, $"{s}"));
    }

    public Node OwnerOf(ulong h) => _nodes.Find(n => n.Map.Shards[ShardOf(h)].Serves)!;

    public Node ReplicaOf(ulong h) => _nodes.Find(n => n.Id == OwnerOf(h).Map.Directory[ShardOf(h)]!.Replica)!;

    public static int ShardOf(ulong h) => (int)(h >> 62);

    public void Deliver()
    {
        while (_queue.TryDequeue(out var sent))
        {
            if (_nodes.Find(n => n.Id == sent.To) is { } to && !Loses(sent.From, sent.To, sent.Message))
            {
                to.Map.Receive(sent.From, sent.Message);
            }
        }
    }

    public void Pass(int milliseconds)
    {
        for (int passed = 0; passed < milliseconds; passed += 5)
        {
            Deliver();
            Time.Advance(TimeSpan.FromMilliseconds(5));
            _nodes.ForEach(n => n.Map.Tick());
        }

        Deliver();
    }

    public void Dispose() => _nodes.ForEach(n => n.Map.Dispose());

    private void Enqueue(MemberId from, MemberId to, MapMessage message)
    {
        Assert.InRange(message is MapMessages all ? all.Items.Sum(i => i.Size) : message.Size, 1, 1 << 16);
        Sent.AddRange((message is MapMessages m ? m.Items : [message]).Select(i => (from.Name, to.Name, i)));
        _queue.Enqueue((from, to, message));
    }

    internal sealed class Node : IMapTransport, IStickyWaiter
    {
        private readonly MapFleet _fleet;

        public Node(MapFleet fleet, MemberId id, MapSettings? settings)
        {
            _fleet = fleet;
            Id = id;
            Map = new ShardedMap(
                settings ?? new MapSettings(Shards, TimeSpan.FromHours(1), 1_000_000) { PartitionBits = 5 }, new StickyHash(new byte[16]), fleet.Slots,
                new StickyClock(fleet.Time), this);
            Map.ShardOpened += s => Events.Add($"opened {s}");
            Map.ShardSealed += s => Events.Add($"sealed {s}");
            Map.ShardDeposed += s => Events.Add($"deposed {s}");
            Map.Context.Rejected = (_, what) => Rejections.Add(what);
        }

        public MemberId Id { get; set; }

        public ShardedMap Map { get; }

        public List<string> Events { get; } = [];

        public List<string> Rejections { get; } = [];

        /// <summary>Asynchronous answers.</summary>
        public List<(ulong Ticket, StickyAnswer Answer)> Heard { get; } = [];

        /// <summary>Asks and waits for the answer.</summary>
        public StickyAnswer Ask(ulong h, params BackendRef[] proposals)
        {
            if (Map.GetOrAssign(h, proposals, this, ulong.MaxValue, out var answer))
            {
                return answer;
            }

            int before = Heard.Count;
            for (int waited = 0; Heard.Count == before && waited < 500; waited += 5)
            {
                _fleet.Pass(5);
            }

            return Heard[before].Answer;
        }

        public void Send(MemberId to, MapMessage message) => _fleet.Enqueue(Id, to, message);

        void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => Heard.Add((ticket, answer));
    }
}
