using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>One node; all shards are owned by a second and copied on a third. The test plays the other two.</summary>
public abstract class AskingMap : IDisposable, IStickyWaiter, IMapTransport
{
    private protected static readonly MemberId Self = new("lb-1", 1);
    private protected static readonly MemberId Owner = new("lb-2", 2);
    private protected static readonly MemberId Replica = new("lb-3", 3);

    protected AskingMap()
    {
        Slots.Set(A, AdminState.Up);
        Slots.Set(B, AdminState.Up);
        Map = new ShardedMap(
            new MapSettings(64, TimeSpan.FromHours(1), 100_000), new StickyHash(new byte[16]), Slots, new StickyClock(Time), this);
        Members();
        Announce(Owner, Replica);
        Sent.Clear();
    }

    private protected static BackendRef A { get; } = new(1, 1);

    private protected static BackendRef B { get; } = new(2, 1);

    private protected FakeTimeProvider Time { get; } = new();

    private protected BackendSlots Slots { get; } = new();

    private protected ShardedMap Map { get; }

    private protected List<(MemberId To, MapMessage Message)> Sent { get; } = new(20_000);

    /// <summary>Asynchronous answers.</summary>
    private protected List<(ulong Ticket, StickyAnswer Answer)> Heard { get; } = new(20_000);

    private protected ulong Epoch { get; private set; }

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => Heard.Add((ticket, answer));

    void IMapTransport.Send(MemberId to, MapMessage message) => Sent.Add((to, message));

    public void Dispose()
    {
        Map.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected void Members(bool owner = true, bool replica = true) => Map.SetMembers(new MapMembers(
        Self, [new MapMember(Self), new MapMember(Owner) { IsReachable = owner }, new MapMember(Replica) { IsReachable = replica }]));

    /// <summary>The owner announces all shards.</summary>
    private protected void Announce(MemberId owner, MemberId? replica)
    {
        Epoch = ShardEpoch.Next(Epoch, owner.Incarnation);
        MemberId[] members = replica is { } id ? [owner, id] : [owner];
        Map.Receive(owner, new Announcements(
            members, [.. Enumerable.Range(0, 64).Select(s => new AnnouncedSeats(
                (ushort)s, Epoch, 1, 0, (short)(members.Length - 1 == 0 ? -1 : 1), -1, SeatFlags.ReplicaIsComplete))]));
    }

    private protected LookupBatch LastBatch(MemberId to) => (LookupBatch)Sent.FindLast(s => s.To == to && s.Message is LookupBatch).Message;

    private protected int Asked(MemberId to) => Sent.Where(s => s.To == to).Sum(s => (s.Message as LookupBatch)?.Items.Length ?? 0);

    /// <summary>Answers the last lookup of the last batch sent to a member.</summary>
    private protected void Reply(MemberId from, AnswerStatus status, BackendRef backend)
    {
        var batch = LastBatch(from);
        var asked = batch.Items[^1];
        Map.Receive(from, new LookupAnswers(batch.Number, [new LookupAnswer(
            asked.Id, status, asked.Kind == LookupKind.Read, (ushort)Map.Context.PartitionOf(asked.H), backend.Value, asked.Epoch)]));
    }

    protected void Pass(int milliseconds)
    {
        for (int passed = 0; passed < milliseconds; passed += 5)
        {
            Time.Advance(TimeSpan.FromMilliseconds(5));
            Map.Tick();
        }
    }
}
