using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Tests.Hosting;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Supervision;

public sealed class SupervisionTests : IAsyncDisposable
{
    private readonly VirtualSystem _system = new();

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    /// <summary>Fails in Begin as long as the test wants, and at the message "fail".</summary>
    private sealed class Fragile : SupervisedActor
    {
        private readonly State _state;
        private bool _begun;

        public Fragile(State state) => _state = state;

        public sealed class State
        {
            public volatile int Begins;
            public volatile int Failing;
        }

        protected override void Begin()
        {
            _state.Begins++;
            if (_state.Begins <= _state.Failing) throw new InvalidOperationException($"begin {_state.Begins}");
            _begun = true;
        }

        protected override bool On(object message)
        {
            if (message is "fail") throw new InvalidOperationException("told to fail");
            Sender.Tell(_begun ? "begun" : "waiting");
            return true;
        }
    }

    [Fact]
    public async Task Failure_AtTheBegin_IsTriedAgainAfterPausesThatDouble()
    {
        var state = new Fragile.State { Failing = 4 };
        var actor = Start(state, "fragile");
        int milliseconds = 100;
        for (int begins = 1; begins <= 4; begins++)
        {
            await VirtualSystem.SoonAsync(() => ActorRestarts.Of(_system.System).CountOf(actor.Path) == begins);
            Assert.Equal("waiting", await AskAsync(actor));
            _system.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
            Assert.Equal("waiting", await AskAsync(actor));
            Assert.Equal(begins, state.Begins);
            _system.Advance(TimeSpan.FromMilliseconds(1));
            await VirtualSystem.SoonAsync(() => state.Begins == begins + 1);
            milliseconds *= 2;
        }

        Assert.Equal("begun", await AskAsync(actor));
        Assert.Equal(4, _system.Log.Lines.Count(l => l.Level == LogLevel.Error && l.Text.StartsWith("actor node/user/fragile failed", StringComparison.Ordinal)));
        Assert.Contains(_system.Log.Lines, l => l.Text.Contains("System.InvalidOperationException: begin 1", StringComparison.Ordinal));
    }

    [Fact]
    public void Pause_IsNeverLongerThanTenSeconds()
    {
        var restarts = ActorRestarts.Of(_system.System);
        var path = Start(new Fragile.State(), "fragile").Path;
        for (int i = 0; i < 2000; i++) restarts.Count(path);
        Assert.Equal(TimeSpan.FromSeconds(10), restarts.DelayOf(path));
    }

    [Fact]
    public async Task Failure_OfOne_LeavesTheOthersAlone_AndIsForgottenWithTheActor()
    {
        var (failing, calm) = (new Fragile.State(), new Fragile.State());
        IActorRef one = Start(failing, "one"), other = Start(calm, "other");
        await VirtualSystem.SoonAsync(() => (failing.Begins, calm.Begins) == (1, 1));
        one.Tell("fail");
        await _system.UntilAsync(() => failing.Begins == 2, 0.1);

        Assert.Equal("begun", await AskAsync(other));
        Assert.Equal(1, calm.Begins);
        Assert.Equal([("node/user/one", 1L), ("node/user/other", 0L)], States("node/user/o").Select(s => (s.Path, s.Restarts)));

        Assert.True(await one.GracefulStop(Wait.Patience));
        await VirtualSystem.SoonAsync(() => States("node/user/one").Length == 0);
        var fresh = new Fragile.State();
        Start(fresh, "one");
        await VirtualSystem.SoonAsync(() => fresh.Begins == 1);
        Assert.Equal([0L], States("node/user/one").Select(s => s.Restarts));
    }

    /// <summary>Blocks its thread until the gate opens, so that messages wait.</summary>
    private sealed class Busy(ManualResetEventSlim gate) : SupervisedActor
    {
        protected override bool On(object message) => gate.Wait(Wait.Patience);

        protected override void Begin() => Context.ActorOf(ActorProps.Of(() => new Fragile(new Fragile.State())), ActorNames.Of("[::1]:1883"));
    }

    [Fact]
    public async Task Tree_ShowsWhoWaits_WithoutAskingTheActors()
    {
        using var gate = new ManualResetEventSlim();
        var busy = _system.System.ActorOf(ActorProps.Of(() => new Busy(gate)), ActorNames.Of("a pool/with % odd name"));
        await VirtualSystem.SoonAsync(() => States("node/user/a pool").Length == 2);
        for (int i = 0; i < 3; i++) busy.Tell("wait");
        await VirtualSystem.SoonAsync(() => States("node/user/a pool")[0].Mailbox == 2);

        var states = States("node/user/a pool");
        gate.Set();
        Assert.Equal(
            [("node/user/a pool/with % odd name", 1, "Busy"), ("node/user/a pool/with % odd name/[::1]:1883", 2, "Fragile")],
            states.Select(s => (s.Path, s.Depth, s.Type)));
        await VirtualSystem.SoonAsync(() => States("node/user/a pool")[0].Mailbox == 0);
    }

    [Theory]
    [InlineData("10.0.0.1:1883", "10.0.0.1:1883")]
    [InlineData("$sys", "%24sys")]
    [InlineData("a%20b", "a%2520b")]
    [InlineData("a b", "a%20b")]
    [InlineData("füße/日", "f%C3%BC%C3%9Fe%2F%E6%97%A5")]
    public void Name_OfAnything_IsOneAndComesBack(string text, string name)
    {
        Assert.Equal(name, ActorNames.Of(text));
        Assert.True(ActorPath.IsValidPathElement(name));
        Assert.Equal(text, ActorNames.TextOf(name));
    }

    private IActorRef Start(Fragile.State state, string name) => _system.System.ActorOf(ActorProps.Of(() => new Fragile(state)), name);

    private static Task<string> AskAsync(IActorRef actor) => actor.Ask<string>("how are you", Wait.Patience);

    private ActorState[] States(string path) =>
        [.. ActorTree.Read([_system.System]).Where(s => s.Path.StartsWith(path, StringComparison.Ordinal))];
}
