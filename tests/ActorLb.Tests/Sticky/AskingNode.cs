using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Sticky;

/// <summary>One node whose shards all belong to another, and have their copies on a third.</summary>
public abstract class AskingNode : IDisposable, IStickyWaiter
{
    private static readonly PeerId s_self = new("lb-1", 1);

    protected AskingNode()
    {
        Slots.Set(A, SlotState.Up);
        Slots.Set(B, SlotState.Up);
        Region = new ShardRegion(
            new RegionSettings(s_self, TimeSpan.FromHours(1), 100_000), new StickyHash(new byte[16]), Slots, new StickyClock(Time));
        Adopt(owner: 1, replica: 2);
    }

    private protected static BackendRef A { get; } = new(1, 1);

    private protected static BackendRef B { get; } = new(2, 1);

    private protected FakeTimeProvider Time { get; } = new();

    private protected BackendSlots Slots { get; } = new();

    private protected ShardRegion Region { get; }

    private protected TestLink Owner { get; } = new(new PeerId("lb-2", 2));

    private protected TestLink Replica { get; } = new(new PeerId("lb-3", 3));

    /// <summary>Answers that came later.</summary>
    private protected List<(ulong Ticket, StickyAnswer Answer)> Heard { get; } = new(20_000);

    protected ulong Epoch { get; private set; }

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => Heard.Add((ticket, answer));

    public void Dispose()
    {
        Region.Dispose();
        GC.SuppressFinalize(this);
    }

    protected void Adopt(short owner, short replica, short next = -1)
    {
        Epoch = ShardMap.NextEpoch(Epoch, 1);
        var seats = Enumerable.Repeat(new ShardSeats(owner, replica, next), StickyHash.Shards);
        var map = new ShardMap(
            Epoch, [new MapNode(s_self, "a:1"), new MapNode(Owner.Peer, "b:1"), new MapNode(Replica.Peer, "c:1")], [.. seats]);
        Region.Adopt(map, peer => peer.Id == Owner.Peer ? Owner : Replica);
    }

    private protected void Reply(TestLink from, PeerStatus status, BackendRef backend, ulong? epoch = null)
    {
        var asked = from.Header;
        var flags = (byte)(asked.CallFlags & PeerCallFlags.Hedge);
        var header = new PeerFrameHeader(PeerFrameType.Reply, flags, asked.Shard, asked.RequestId, epoch ?? asked.Epoch);
        var frame = new byte[PeerReply.FrameSize];
        new PeerReply(status, backend.Value, 0).Write(frame, header);
        Assert.Equal(PeerFrameError.None, Region.OnFrame(from, header, frame));
    }

    protected void Pass(int milliseconds)
    {
        for (var passed = 0; passed < milliseconds; passed += 5)
        {
            Time.Advance(TimeSpan.FromMilliseconds(5));
            Region.Tick();
        }
    }

    private protected sealed class TestLink(PeerId peer) : IPeerLink
    {
        private readonly byte[] _frame = new byte[100_000];
        private int _length;

        public PeerId Peer => peer;

        public bool IsUp { get; set; } = true;

        public int Sent { get; private set; }

        public ReadOnlySpan<byte> Last => _frame.AsSpan(0, _length);

        public PeerFrameHeader Header
        {
            get
            {
                Assert.True(PeerFrameHeader.TryRead(Last, out var header) == PeerFrameError.None);
                return header;
            }
        }

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane)
        {
            frame.CopyTo(_frame);
            _length = frame.Length;
            Sent += IsUp && frame[4] == (byte)PeerFrameType.GetOrAssign ? 1 : 0;
            return IsUp;
        }
    }
}
