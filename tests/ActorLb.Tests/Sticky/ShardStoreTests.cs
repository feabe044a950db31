using ActorLb.Balancing;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

public sealed partial class ShardStoreTests : IDisposable
{
    private const uint Now = 1_000_000;
    private static readonly BackendRef A = new(1, 1);
    private static readonly BackendRef B = new(2, 1);
    private readonly BackendSlots _slots = new();
    private readonly StickyRoom _room = new();
    private readonly ShardStore _store;

    public ShardStoreTests()
    {
        _slots.Set(A, AdminState.Up);
        _slots.Set(B, AdminState.Up);
        _store = new ShardStore(12, _slots, new StickyRules(TtlTicks: 100, MaxPerShard: 50) { Room = _room });
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
    [InlineData(AdminState.Up, true)]
    [InlineData(AdminState.Drain, true)]
    [InlineData(AdminState.Down, false)]
    [InlineData(null, false)]
    public void GetOrAssign_MappedBackendInState_KeptOrMoved(AdminState? state, bool kept)
    {
        _store.GetOrAssign(9, [A], Now);
        if (state is { } present) _slots.Set(A, present);
        else _slots.Clear(A.Slot);

        Assert.Equal(kept ? A : B, _store.GetOrAssign(9, [A, B], Now).Backend);
    }

    [Fact]
    public void GetOrAssign_DrainedProposal_NotForNewClients()
    {
        _slots.Set(A, AdminState.Drain);

        Assert.Equal(B, _store.GetOrAssign(9, [A, B], Now).Backend);
        Assert.Equal(LookupStatus.None, _store.GetOrAssign(10, [A], Now).Status);
    }

    [Fact]
    public void GetOrAssign_GenRaised_EntryIsInvalidAtOnce()
    {
        _store.GetOrAssign(9, [A], Now);
        var next = new BackendRef(A.Slot, 2);
        _slots.Set(next, AdminState.Up);

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

    /// <summary>The outcome never arrives: neither Accept nor TakeBack is called.</summary>
    [Fact]
    public void Provisional_NeverConfirmed_LastsForAMoment()
    {
        var rules = new StickyRules(TtlTicks: 100_000, MaxPerShard: 50);
        var store = new ShardStore(12, _slots, rules);
        store.GetOrAssign(9, [A], Now, provisional: true);
        store.GetOrAssign(10, [A], Now, provisional: true);
        store.Accept(10, A, Now + 1, add: true);

        Assert.Equal(A, store.Peek(9, Now + rules.ProvisionalTicks));
        Assert.True(store.Peek(9, Now + rules.ProvisionalTicks + 1).IsNone);
        Assert.Equal(new LookupResult(LookupStatus.Assigned, B), store.GetOrAssign(9, [B], Now + rules.ProvisionalTicks + 1));
        Assert.Equal(A, store.Peek(10, Now + 50_000));
        store.Table.Dispose();
    }

    [Fact]
    public void TakeBack_OnlyWhatNobodyConfirmed()
    {
        _store.GetOrAssign(9, [A], Now, provisional: true);
        Assert.False(_store.TakeBack(9, B));
        Assert.True(_store.TakeBack(9, A));
        Assert.Equal(0, _store.Table.Count);

        // A client that uses a known client's id and is refused must not remove that client's entry.
        _store.GetOrAssign(9, [A], Now, provisional: true);
        _store.Accept(9, A, Now, add: true);
        _store.Leave(9, A);
        _store.GetOrAssign(9, [B], Now, provisional: true);
        Assert.False(_store.TakeBack(9, A));
        Assert.Equal(A, _store.Peek(9, Now));

        // A keep-alive of a session on another node also confirms it.
        _store.GetOrAssign(10, [A], Now, provisional: true);
        _store.Refresh(10, A, Now + 1);
        Assert.False(_store.TakeBack(10, A));
    }

    [Fact]
    public void Accept_EntryPushedOutMeanwhile_IsMadeAgainByItsOwner()
    {
        _store.Accept(9, A, Now, add: false);
        Assert.Equal(0, _store.Table.Count);
        _store.Accept(9, A, Now, add: true);
        Assert.Equal(A, _store.Peek(9, Now));

        // A later lookup placed another session of the client elsewhere.
        _store.Accept(9, B, Now, add: true);
        Assert.Equal(A, _store.Peek(9, Now));
    }

    private void Connect(ulong client, uint now)
    {
        _store.GetOrAssign(Spread(client), [A], now, provisional: true);
        _store.Accept(Spread(client), A, now, add: true);
    }

    [Fact]
    public void Sweep_RemovesExpiredAndOrphans_KeepsMaintenance()
    {
        _store.GetOrAssign(1UL << 40, [A], Now);
        _store.GetOrAssign(2UL << 40, [A], Now + 80);
        _store.GetOrAssign(3UL << 40, [B], Now + 80);
        _slots.Set(A, AdminState.Down);

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
        ulong next = 1UL;
        for (uint i = 0u; i < 5000; i++)
        {
            ulong h = (ulong)random.Next(1, 90) << 44;
            switch (random.Next(8))
            {
                case 4: _store.GetOrAssign(h, [B], Now + i, provisional: true); break;
                case 5: _store.Accept(h, random.Next(2) == 0 ? A : B, Now + i, add: true); break;
                case 6: _store.Leave(h, A); break;
                case 7: _store.TakeBack(h, B); break;
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
        for (int i = 0; i < ReplicationLog.MaxOps + 5; i++)
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
