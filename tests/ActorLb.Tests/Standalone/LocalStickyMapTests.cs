using ActorLb.Balancing;
using ActorLb.Sticky;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Standalone;

public sealed class LocalStickyMapTests : IDisposable
{
    private static readonly BackendRef A = new(1, 1);
    private static readonly BackendRef B = new(2, 1);
    private readonly FakeTimeProvider _time = new();
    private readonly ActorLb.Standalone.LocalStickyMap _map;

    public LocalStickyMapTests()
    {
        var slots = new BackendSlots();
        slots.Set(A, AdminState.Up);
        slots.Set(B, AdminState.Up);
        _map = new ActorLb.Standalone.LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 100_000, slots, _time);
    }

    public void Dispose() => _map.Dispose();

    [Fact]
    public void GetOrAssign_AnswersAtOnce_AndRemembers()
    {
        Assert.True(_map.GetOrAssign(5, [A, B], null!, 0, out var first));
        Assert.True(_map.GetOrAssign(5, [B], null!, 0, out var second));

        Assert.Equal(new StickyAnswer(A, StickyOutcome.Local, true), first);
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Local, false), second);
    }

    [Fact]
    public void LiveSession_KeepsTheEntry_ItsEndStartsTheClock()
    {
        _map.GetOrAssign(5, [A], null!, 0, out var answer);
        uint session = _map.Opened(5, A, answer.Outcome);
        Pass(hours: 5);
        Assert.Equal(1, _map.Count);

        _map.Closed(5, A, session);
        Pass(minutes: 50);
        _map.GetOrAssign(5, [], null!, 0, out var still);
        Assert.Equal(A, still.Backend);
    }

    [Fact]
    public void ShortLife_LiveSession_KeepsTheEntryAllTheSame()
    {
        var slots = new BackendSlots();
        slots.Set(A, AdminState.Up);
        using var map = new ActorLb.Standalone.LocalStickyMap(new byte[16], TimeSpan.FromSeconds(20), 100_000, slots, _time);
        map.GetOrAssign(5, [A], null!, 0, out var answer);
        map.Opened(5, A, answer.Outcome);
        for (int second = 0; second < 200; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(A, map.Peek(5));
        }
    }

    [Fact]
    public void NobodyThere_EntryIsSweptAfterItsLife()
    {
        _map.GetOrAssign(5, [A], null!, 0, out _);
        Pass(hours: 1, minutes: 3);

        Assert.Equal(0, _map.Count);
    }

    [Fact]
    public void ManyThreads_OneAnswerAClient()
    {
        uint[] seen = new uint[1000];
        Parallel.For(0, 4, worker =>
        {
            for (int i = 0; i < 50_000; i++)
            {
                int client = i % 1000;
                _map.GetOrAssign((ulong)client * 0x0040_0000_0000_0001UL, worker % 2 == 0 ? [A, B] : [B, A], null!, 0, out var answer);
                uint before = Interlocked.CompareExchange(ref seen[client], answer.Backend.Value, 0);
                Assert.True(before == 0 || before == answer.Backend.Value);
            }
        });
    }

    /// <summary>Room for one entry in each partition, while many clients fall into the same partition.</summary>
    [Fact]
    public void SmallCap_ConnectedClients_StayWhateverIdsAreMadeUp()
    {
        const int Cap = 1024;
        var slots = new BackendSlots();
        slots.Set(A, AdminState.Up);
        using var map = new ActorLb.Standalone.LocalStickyMap(new byte[16], TimeSpan.FromHours(1), Cap, slots, _time);
        ulong[] clients = Enumerable.Range(0, 300).Select(i => map.Hash("p"u8, BitConverter.GetBytes(i))).ToArray();
        foreach (ulong client in clients)
        {
            map.GetOrAssign(client, [A], null!, 0, out var answer);
            map.Opened(client, A, answer.Outcome);
        }

        for (int i = 1000; i < 9000; i++)
        {
            ulong stranger = map.Hash("p"u8, BitConverter.GetBytes(i));
            map.GetOrAssign(stranger, [A], null!, 0, out var answer);
            switch (i % 4)
            {
                case 0: map.Abandoned(stranger, A, 0); break;
                case 1: break;
                default: map.Closed(stranger, A, map.Opened(stranger, A, answer.Outcome)); break;
            }

            if (i % 100 == 0)
            {
                _time.Advance(TimeSpan.FromSeconds(1));
            }
        }

        Assert.All(clients, client => Assert.Equal(A, map.Peek(client)));
        Pass(minutes: 3);
        Assert.All(clients, client => Assert.Equal(A, map.Peek(client)));
        Assert.InRange(map.Count, clients.Length, Cap);
    }

    [Fact]
    public void SmallCap_ClientsThatLeft_AreRemembered()
    {
        var slots = new BackendSlots();
        slots.Set(A, AdminState.Up);
        using var map = new ActorLb.Standalone.LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 1024, slots, _time);
        for (int i = 0; i < 300; i++)
        {
            ulong client = map.Hash("p"u8, BitConverter.GetBytes(i));
            map.GetOrAssign(client, [A], null!, 0, out var answer);
            map.Closed(client, A, map.Opened(client, A, answer.Outcome));
        }

        Assert.Equal(300, map.Count);
    }

    private void Pass(int hours = 0, int minutes = 0)
    {
        for (int passed = 0; passed < (hours * 60) + minutes; passed++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
        }
    }
}
