using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class SetupLedgerTests
{
    private const int Kilo = 1024;

    private static readonly BufferPool Pool = new();

    private readonly SetupBudget _budget = new() { Limit = 1000 * Kilo };
    private readonly List<Session> _displaced = [];
    private readonly List<string> _asked = [];

    private SetupLedger Ledger(string name = "a")
    {
        SetupLedger ledger = null!;
        return ledger = new SetupLedger(
            _budget,
            session =>
            {
                _displaced.Add(session);
                ledger.Leave(session.Setup!);
                session.Setup = null;
            },
            () => _asked.Add(name));
    }

    private static Session With(int inbound)
    {
        var session = new Session(null!) { Setup = new Setup() };
        session.Setup.Inbound.Replace(Pool, new byte[inbound], inbound);
        return session;
    }

    [Fact]
    public void Settle_EverythingASessionHolds_Counts()
    {
        var ledger = Ledger();
        var session = With(100 * Kilo);
        ledger.Settle(session);
        Assert.Equal(SetupLedger.Bare + (100 * Kilo), ledger.Held);
        session.Setup!.Outbound = new byte[1];
        session.Setup.Reply.Replace(Pool, new byte[2], 2);
        session.Setup.Host = new byte[4];
        session.Setup.UpgradeHead = new byte[8];
        session.Setup.LastRefusal = new byte[16];
        session.ClientId = new byte[32];
        session.Client.Pending = new byte[64];
        session.Upstream.Pending = new byte[128];
        ledger.Settle(session);
        Assert.Equal(SetupLedger.Bare + (100 * Kilo) + 255, ledger.Held);
        ledger.Leave(session.Setup);
        Assert.Equal(0, ledger.Held);
        Assert.Equal(-1, ledger.LargestClass);
        // A second end of the same set-up takes nothing off twice.
        ledger.Leave(session.Setup);
        Assert.Equal(0, _budget.Held);
    }

    [Fact]
    public void Settle_OverTheLimit_TheOldestOfTheLargestGo()
    {
        var ledger = Ledger();
        Session[] large = [With(300 * Kilo), With(290 * Kilo), With(310 * Kilo)];
        Session[] small = [With(Kilo), With(2 * Kilo), With(60 * Kilo)];
        foreach (var session in (Session[])[small[0], large[0], small[1], large[1], small[2], large[2]]) ledger.Settle(session);
        Assert.Empty(_displaced);
        var next = With(270 * Kilo);
        ledger.Settle(next);
        Assert.Equal([large[0]], _displaced);
        // One that grows alone into the largest size goes itself: what is small stays.
        next.Setup!.Inbound.Replace(Pool, new byte[600 * Kilo], 600 * Kilo);
        ledger.Settle(next);
        Assert.Equal([large[0], next], _displaced);
        Assert.True(_budget.Held <= _budget.Limit);
    }

    [Fact]
    public void Settle_ManySmallOnes_AreBoundedToo()
    {
        var ledger = Ledger();
        Session[] all = [.. Enumerable.Range(0, 1000).Select(_ => With(256))];
        foreach (var session in all) ledger.Settle(session);
        Assert.True(_budget.Held <= _budget.Limit);
        Assert.Equal(all.Take(_displaced.Count), _displaced);
        Assert.InRange(_displaced.Count, 500, 600);
    }

    [Fact]
    public void Settle_AnotherReactorHasLargerOnes_ItIsAskedFirst()
    {
        SetupLedger a = Ledger("a"), b = Ledger("b");
        _asked.Clear();
        var large = With(900 * Kilo);
        b.Settle(large);
        Session[] small = [.. Enumerable.Range(0, 40).Select(_ => With(2 * Kilo))];
        foreach (var session in small) a.Settle(session);
        Assert.Empty(_displaced);
        // Once, however often it is wanted.
        Assert.Equal(["b"], _asked);
        b.Answer();
        Assert.Equal([large], _displaced);
        Assert.Equal(small.Length * (SetupLedger.Bare + (2 * Kilo)), _budget.Held);
    }

    [Fact]
    public void Settle_AnotherReactorDoesNotAnswer_NoMoreThanAnEighthIsOver()
    {
        SetupLedger a = Ledger("a"), b = Ledger("b");
        b.Settle(With(900 * Kilo));
        for (int i = 0; i < 500; i++) a.Settle(With(2 * Kilo));
        Assert.NotEmpty(_displaced);
        Assert.InRange(_budget.Held, _budget.Limit, _budget.Limit + (_budget.Limit / 8) + (2 * _budget.Step));
    }

    [Fact]
    public void Limit_Lowered_ReactorsAreAskedAndMakeRoom()
    {
        var ledger = Ledger();
        Session[] all = [.. Enumerable.Range(0, 9).Select(_ => With(100 * Kilo))];
        foreach (var session in all) ledger.Settle(session);
        _asked.Clear();
        _budget.Tight = true;
        Assert.Equal(["a"], _asked);
        ledger.Answer();
        Assert.InRange(_budget.Held, 1, 250 * Kilo);
        Assert.Equal(all.Take(_displaced.Count), _displaced);
        ledger.Settle(With(Kilo));
        _budget.Tight = false;
        _budget.Limit = 50 * Kilo;
        ledger.Answer();
        Assert.True(_budget.Held <= _budget.Limit);
    }

    [Fact]
    public void TakePeak_TellsTheMostSinceTheLastCall()
    {
        var ledger = Ledger();
        var session = With(500 * Kilo);
        ledger.Settle(session);
        ledger.Leave(session.Setup!);
        Assert.InRange(_budget.TakePeak(), 500 * Kilo, 510 * Kilo);
        Assert.InRange(_budget.TakePeak(), -_budget.Step, _budget.Step);
    }

    [Theory]
    [InlineData(64L << 30, 20_480, 320L << 20)]
    [InlineData(64L << 30, 100, 64L << 20)]
    [InlineData(256L << 20, 20_480, 32L << 20)]
    [InlineData(1L << 20, 20_480, SetupBudget.Least)]
    public void Auto_GoesByClientsAndMemory(long memory, int clients, long expected) => Assert.Equal(expected, SetupBudget.Auto(memory, clients));
}
