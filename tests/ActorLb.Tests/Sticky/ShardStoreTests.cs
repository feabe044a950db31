using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

public sealed class ShardStoreTests : IDisposable
{
    private const uint Now = 1_000_000;
    private static readonly BackendRef A = new(1, 1);
    private static readonly BackendRef B = new(2, 1);
    private readonly BackendSlots _slots = new();
    private readonly ShardStore _store;

    public ShardStoreTests()
    {
        _slots.Set(A, SlotState.Up);
        _slots.Set(B, SlotState.Up);
        _store = new ShardStore(12, _slots, new StickyRules(TtlTicks: 100, MaxPerShard: 50));
    }

    public void Dispose() => _store.Table.Dispose();

    [Fact]
    public void GetOrAssign_Twice_FindsTheFirst()
    {
        Assert.Equal(new LookupResult(LookupStatus.Assigned, A), _store.GetOrAssign(9, [A, B], Now));
        Assert.Equal(new LookupResult(LookupStatus.Found, A), _store.GetOrAssign(9, [B], Now + 1));
        Assert.Equal(A, _store.Peek(9, Now + 101));
    }

    [Fact]
    public void GetOrAssign_NoProposals_OnlyReads()
    {
        Assert.Equal(LookupStatus.None, _store.GetOrAssign(9, [], Now).Status);
        Assert.Equal(0, _store.Table.Count);
    }

    [Theory]
    [InlineData((int)SlotState.Up, true)]
    [InlineData((int)SlotState.Drain, true)]
    [InlineData((int)SlotState.Down, false)]
    [InlineData((int)SlotState.Free, false)]
    public void GetOrAssign_MappedBackendInState_KeptOrMoved(int state, bool kept)
    {
        _store.GetOrAssign(9, [A], Now);
        _slots.Set(A, (SlotState)state);

        Assert.Equal(kept ? A : B, _store.GetOrAssign(9, [A, B], Now).Backend);
    }

    [Fact]
    public void GetOrAssign_DrainedProposal_NotForNewClients()
    {
        _slots.Set(A, SlotState.Drain);

        Assert.Equal(B, _store.GetOrAssign(9, [A, B], Now).Backend);
        Assert.Equal(LookupStatus.None, _store.GetOrAssign(10, [A], Now).Status);
    }

    [Fact]
    public void GetOrAssign_GenRaised_EntryIsInvalidAtOnce()
    {
        _store.GetOrAssign(9, [A], Now);
        var next = new BackendRef(A.Slot, 2);
        _slots.Set(next, SlotState.Up);

        Assert.True(_store.Peek(9, Now).IsNone);
        Assert.Equal(new LookupResult(LookupStatus.Assigned, next), _store.GetOrAssign(9, [A, next], Now));
    }

    [Fact]
    public void GetOrAssign_Expired_AssignsAnew()
    {
        _store.GetOrAssign(9, [A], Now);
        _store.Refresh(9, A, Now + 50);

        Assert.Equal(new LookupResult(LookupStatus.Found, A), _store.GetOrAssign(9, [B], Now + 150));
        Assert.Equal(new LookupResult(LookupStatus.Assigned, B), _store.GetOrAssign(9, [B], Now + 251));
    }

    [Fact]
    public void Reassign_ExpectedMatches_Moves_ElseAnswersTheOther()
    {
        _store.GetOrAssign(9, [A], Now);

        Assert.Equal(new LookupResult(LookupStatus.Assigned, B), _store.Reassign(9, A, [A, B], force: false, Now));
        Assert.Equal(new LookupResult(LookupStatus.Found, B), _store.Reassign(9, A, [A], force: false, Now));
        Assert.Equal(new LookupResult(LookupStatus.Assigned, A), _store.Reassign(9, default, [A], force: true, Now));
    }

    [Fact]
    public void Reassign_NowhereToGo_KeepsTheEntry()
    {
        _store.GetOrAssign(9, [A], Now);

        Assert.Equal(LookupStatus.None, _store.Reassign(9, A, [A], force: false, Now).Status);
        Assert.Equal(A, _store.Peek(9, Now));
    }

    [Fact]
    public void Learn_NewerSession_Wins_OlderLoses()
    {
        _store.GetOrAssign(9, [A], Now);

        Assert.False(_store.Learn(9, B, Now - 5, fellBack: true, Now));
        Assert.True(_store.Learn(9, B, Now + 5, fellBack: true, Now + 6));
        Assert.Equal(B, _store.Peek(9, Now + 6));
    }

    [Fact]
    public void Learn_AfterTheOldSessionEnded_Wins()
    {
        _store.GetOrAssign(9, [A], Now);
        _store.Refresh(9, A, Now + 10);

        Assert.False(_store.Learn(9, B, Now + 5, fellBack: false, Now + 11));
        Assert.True(_store.Learn(9, B, Now + 5, fellBack: true, Now + 11));
    }

    [Fact]
    public void Learn_InvalidBackend_Refused() => Assert.False(_store.Learn(9, new BackendRef(1, 7), Now, fellBack: true, Now));

    [Fact]
    public void Cap_Reached_OldOnesGo()
    {
        for (var i = 1u; i <= 500; i++)
        {
            _store.GetOrAssign(Spread(i), [A], Now + i);
            Assert.True(_store.Table.Count <= 50);
        }

        Assert.Equal(450, _store.Evicted);
        var rest = new ShardEntry[50];
        _store.Table.CopyTo(rest);
        Assert.True(rest.Average(e => (double)e.Touch) > Now + 380, "the young ones stay");
        Assert.Equal(A, _store.Peek(Spread(500), Now + 500));
    }

    [Fact]
    public void Sweep_RemovesExpiredAndOrphans_KeepsMaintenance()
    {
        _store.GetOrAssign(1UL << 40, [A], Now);
        _store.GetOrAssign(2UL << 40, [A], Now + 80);
        _store.GetOrAssign(3UL << 40, [B], Now + 80);
        _slots.Set(A, SlotState.Down);

        Assert.Equal(0, _store.Sweep(0, 1000, 1000, Now + 120));
        Assert.Equal(2, _store.Table.Count);

        _slots.Clear(B.Slot);
        _store.Sweep(0, 1000, 1000, Now + 120);
        Assert.Equal(1, _store.Table.Count);
    }

    [Fact]
    public void Log_Applied_MakesAnEqualCopy()
    {
        _store.Log.Keeps = true;
        var copy = new ShardStore(12, _slots, new StickyRules(100, 50));
        var random = new Random(3);
        var ops = new LogOp[64];
        var next = 1UL;
        for (var i = 0u; i < 5000; i++)
        {
            var h = (ulong)random.Next(1, 90) << 44;
            switch (random.Next(4))
            {
                case 0: _store.Reassign(h, A, [B, A], force: false, Now + i); break;
                case 1: _store.Remove(h); break;
                case 2: _store.Learn(h, B, Now + i, fellBack: true, Now + i); break;
                default: _store.GetOrAssign(h, [random.Next(2) == 0 ? A : B], Now + i); break;
            }

            for (int n; (n = _store.Log.Read(next, ops)) > 0; next += (ulong)n)
            {
                foreach (var op in ops.AsSpan(0, n))
                {
                    copy.Apply(op);
                }
            }

            _store.Log.Trim(next - 1);
        }

        Assert.Equal(Content(_store), Content(copy));
        copy.Table.Dispose();
    }

    [Fact]
    public void Log_Overflow_TellsTheCopyToStartOver()
    {
        var log = new ReplicationLog { Keeps = true };
        for (var i = 0; i < ReplicationLog.MaxOps + 5; i++)
        {
            log.Append(new LogOp(LogOpKind.Put, (ulong)i, A, 0));
        }

        var into = new LogOp[2000];
        Assert.Equal(-1, log.Read(5, into));
        Assert.Equal(ReplicationLog.MaxOps, log.Read(6, into));
        Assert.Equal(5UL, into[0].H);
        log.Trim(100);
        Assert.Equal(-1, log.Read(100, into));
        Assert.Equal(ReplicationLog.MaxOps + 5 - 100, log.Read(101, into));
    }

    private static ulong Spread(ulong i) => unchecked(i * 0x9E3779B97F4A7C15UL);

    private static List<(ulong, BackendRef)> Content(ShardStore store)
    {
        var entries = new ShardEntry[store.Table.Count];
        store.Table.CopyTo(entries);
        return [.. entries.Select(e => (e.H, e.Backend)).Order(Comparer<(ulong H, BackendRef)>.Create((a, b) => a.H.CompareTo(b.H)))];
    }
}
