using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Balancing;

public sealed class BackendHistoryTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(Start);

    [Fact]
    public void Since_IsTheLastChangeOfState_NotTheLastWord()
    {
        var backend = NewBackend();
        _time.Advance(TimeSpan.FromMinutes(1));
        backend.SetHealth(HealthState.Up, null);
        Assert.Equal(Start.AddMinutes(1), backend.History.Since);
        _time.Advance(TimeSpan.FromMinutes(1));
        backend.SetHealth(HealthState.Up, null);
        backend.SetAdminState(AdminState.Up);
        backend.SetFleetHealth(up: true);
        Assert.Equal(Start.AddMinutes(1), backend.History.Since);

        foreach (var change in new Action[]
        {
            () => backend.SetAdminState(AdminState.Drain), () => backend.SetAdminState(AdminState.Down), () => backend.SetHealth(HealthState.Down, "dead"),
            () => backend.SetFleetHealth(up: false), () => backend.SetAdminState(AdminState.Up), () => backend.ReportFailure(long.MaxValue / 4), backend.ForgetFailures,
        })
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            change();
            Assert.Equal(_time.GetUtcNow(), backend.History.Since);
        }
    }

    [Fact]
    public void Sessions_LostSinceTheChange_AndByKindForEver()
    {
        var backend = NewBackend();
        backend.History.SessionLost(SessionLoss.Closed);
        backend.History.SessionLost(SessionLoss.Reset);
        Assert.Equal(2, backend.History.LostSince);
        backend.SetHealth(HealthState.Down, "dead");
        Assert.Equal(0, backend.History.LostSince);
        backend.History.SessionLost(SessionLoss.Down);
        Assert.Equal((1, 1, 1, 1), (backend.History.LostSince, backend.History.Lost(SessionLoss.Closed), backend.History.Lost(SessionLoss.Reset), backend.History.Lost(SessionLoss.Down)));
    }

    [Fact]
    public void Probe_ThatFails_IsAnError_OneThatCouldNotBeMade_IsNone()
    {
        var backend = NewBackend();
        backend.History.Probed(new BackendProbe(_time.GetUtcNow(), null, TimeSpan.Zero, "no descriptor"));
        Assert.Null(backend.History.LastError);
        backend.History.Probed(new BackendProbe(_time.GetUtcNow(), false, TimeSpan.FromSeconds(2), "no answer within 2 s"));
        Assert.Equal(new BackendError(Start, "probe: no answer within 2 s"), backend.History.LastError);
        backend.History.Probed(new BackendProbe(_time.GetUtcNow(), true, TimeSpan.FromSeconds(1), null));
        Assert.Equal("probe: no answer within 2 s", backend.History.LastError!.Text);
        Assert.True(backend.History.LastProbe!.Alive);
    }

    private Backend NewBackend() => new(
        new BackendOptions(new DnsEndPoint("127.0.0.1", 1883), 1, 1, TimeSpan.FromSeconds(10), 0, TimeSpan.Zero, Down: false, Backup: false), _time, (_, _, _) => { });
}
