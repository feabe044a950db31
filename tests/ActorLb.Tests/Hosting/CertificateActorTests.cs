using ActorLb.Hosting;
using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Tls;
using Akka.Actor;

namespace ActorLb.Tests.Hosting;

public sealed class CertificateActorTests : IAsyncDisposable
{
    private readonly VirtualSystem _system = new();
    private readonly TempFolder _folder = new();
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _renewals;

    public async ValueTask DisposeAsync()
    {
        await _system.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task ChangedFile_IsPutIntoForce_AndAStopWaitsForIt()
    {
        string file = _folder.Write("c", "1");
        var actor = Start(out var watch);
        watch.Watch(FileStamps.Take([file]));
        _folder.Write("c", "12");
        await _system.UntilAsync(() => Volatile.Read(ref _renewals) == 1);

        var stopped = actor.GracefulStop(Wait.Patience, CertificateActor.Stop.Instance);
        await Task.WhenAny(stopped, actor.Ask<ActorIdentity>(new Identify(1), Wait.Patience));
        Assert.False(stopped.IsCompleted);
        _gate.SetResult();
        Assert.True(await stopped);
    }

    [Fact]
    public async Task Stop_BetweenTwoLooks_IsAtOnce()
    {
        var actor = Start(out _);
        Assert.True(await actor.GracefulStop(Wait.Patience, CertificateActor.Stop.Instance));
    }

    [Fact]
    public async Task Failure_OfALook_IsLoggedAndTheNextOneComes()
    {
        int looks = 0;
        var watch = new CertificateWatch(
            _system.Time, _system.Log, _ => Task.CompletedTask, () => Interlocked.Increment(ref looks) <= 2 ? throw new InvalidOperationException("odd") : []);
        var actor = _system.System.ActorOf(ActorProps.Of(() => new CertificateActor(watch)), "certificates");
        // A watch that is new tells of all dates.
        await _system.UntilAsync(() =>
        {
            watch.Watch(FileStamps.Take([]));
            return Volatile.Read(ref looks) > 2;
        });
        Assert.Single(_system.Log.Lines, l => l.Text.Contains("every two seconds: odd: ", StringComparison.Ordinal));
        Assert.Equal(0, ActorRestarts.Of(_system.System).CountOf(actor.Path));
    }

    private IActorRef Start(out CertificateWatch watch)
    {
        var made = watch = new CertificateWatch(_system.Time, _system.Log, async _ =>
        {
            Interlocked.Increment(ref _renewals);
            await _gate.Task;
        }, () => []);
        return _system.System.ActorOf(ActorProps.Of(() => new CertificateActor(made)), "certificates");
    }
}
