using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using Akka.Actor;

namespace ActorLb.Tests.Hosting;

public sealed class DownedBackendsActorTests : IAsyncDisposable
{
    private readonly VirtualSystem _system = new();

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    /// <summary>Without reactors no session ends, so that a backend is at work for as long as it is down.</summary>
    [Fact]
    public async Task Close_IsOneAtATime_ForgottenWhenTheBackendIsBack_AndTakenUpAgainAfterAFailure()
    {
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), _system.Time);
        var backends = pool.Snapshot.Backends.ToArray();
        foreach (var backend in backends)
        {
            Assert.True(backend.TryAcquire());
            backend.SetHealth(HealthState.Down, "silent");
        }

        var first = Close(backends[0]);
        var actor = _system.System.ActorOf(
            ActorProps.Of(() => new DownedBackendsActor([], () => backends.Take(1).Select(Close), _system.Time, _system.Log)), "downed-backends");
        actor.Tell(first);
        actor.Tell(first);
        await StepsAsync(actor);
        Assert.Equal((1, 1), (Closings(backends[0]), Graphs()));

        backends[0].SetHealth(HealthState.Up, "ok");
        await _system.UntilAsync(() => Graphs() == 0, 0.1);
        await StepsAsync(actor);
        backends[0].SetHealth(HealthState.Down, "silent");
        actor.Tell(first);
        await _system.UntilAsync(() => Closings(backends[0]) == 2, 0.1);
        await StepsAsync(actor);
        Assert.Equal(2, Closings(backends[0]));

        actor.Tell(Close(null!));
        await _system.UntilAsync(() => Closings(backends[0]) == 3, 0.1);
        Assert.Equal(1, ActorRestarts.Of(_system.System).CountOf(actor.Path));
        Assert.Equal(0, Closings(backends[1]));
    }

    private int Graphs() => ActorTree.Read([_system.System]).Count(a => a.Type == "ActorGraphInterpreter");

    private static DownedBackendsActor.Close Close(Backend backend) => new("emqx", backend, TimeSpan.FromMinutes(1));

    /// <summary>Lets the actor take a few steps.</summary>
    private async Task StepsAsync(IActorRef actor)
    {
        for (int i = 0; i < 5; i++)
        {
            await actor.Ask<ActorIdentity>(new Identify(1), Wait.Patience);
            _system.Advance(TimeSpan.FromMilliseconds(100));
        }

        await actor.Ask<ActorIdentity>(new Identify(1), Wait.Patience);
    }

    private int Closings(Backend backend) =>
        _system.Log.Lines.Count(l => l.Text == $"closing the 1 sessions of backend {backend.Id} of pool emqx, which is down, within 60 s");
}
