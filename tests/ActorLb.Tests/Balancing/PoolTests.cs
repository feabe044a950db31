using ActorLb.Balancing;
using ActorLb.Balancing.Policies;
using ActorLb.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Balancing;

public sealed class PoolTests
{
    [Fact]
    public void Apply_SameAddress_KeepsObjectCountsAndOperatorsWeight()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);
        var old = pool.Snapshot.Backends.ToArray();
        var before = pool.Snapshot;
        old[0].TryAcquire();
        old[0].SetWeight(7);
        old[0].SetAdminState(AdminState.Drain);

        var change = pool.Apply(Pools.Options(
            BalanceKind.RoundRobin, Pools.Backend("10.0.0.3"), Pools.Backend("10.0.0.1", maxConnections: 1)));

        Assert.Equal(["10.0.0.3:1883"], change.Added.Select(b => b.Id));
        Assert.Equal([old[1]], change.Removed);
        Assert.Same(old[0], pool.Snapshot.Backends[1]);
        Assert.Equal((1, 7, AdminState.Drain), (old[0].Active, old[0].Weight, old[0].AdminState));
        Assert.False(old[0].TryAcquire());
        Assert.False(old[1].IsEligible(0, newClient: false));
        Assert.Equal(2, before.Backends.Length);
    }

    [Fact]
    public void Apply_FileChangesWeightAndDown_FileWins()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1);
        var backend = pool.Snapshot.Backends[0];
        backend.SetWeight(7);

        pool.Apply(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", weight: 3, down: true)));

        Assert.Equal((3, AdminState.Down), (backend.Weight, backend.AdminState));
    }

    [Fact]
    public void Apply_PolicyChange_TakesHold()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);
        var policy = pool.Snapshot.Policy;
        pool.Apply(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")));
        Assert.Same(policy, pool.Snapshot.Policy);

        pool.Apply(Pools.Options(BalanceKind.Sticky, Pools.Backend("10.0.0.1")));

        Assert.True(pool.Snapshot.IsSticky);
        Assert.Equal("least-connections", pool.Snapshot.Policy.Name);
    }

    [Fact]
    public void Apply_SameAddressTwice_OneBackend() => Assert.Equal(
        1, Pools.Of(BalanceKind.RoundRobin, Pools.Backend("h.example"), Pools.Backend("H.example")).Snapshot.Backends.Length);

    [Fact]
    public void Find_Id_CaseInsensitiveAndBracketed()
    {
        var pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("::1"), Pools.Backend("a.example"));

        Assert.Equal("::1", pool.Snapshot.Find("[::1]:1883")?.Address.Host);
        Assert.NotNull(pool.Snapshot.Find("A.example:1883"));
        Assert.Null(pool.Snapshot.Find("a.example:1884"));
    }

    [Fact]
    public void Events_Changes_EachOnce()
    {
        List<string> heard = [];
        Pool pool = new(
            Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), new FakeTimeProvider(),
            e => heard.Add($"{e.Kind} {e.Backend?.Address.Host} {e.Detail}".TrimEnd()));
        heard.Clear();
        var first = pool.Snapshot.Backends[0];

        first.ReportFailure(0);
        first.ReportFailure(1);
        pool.Pick(now: 10_001, tried: [pool.Snapshot.Backends[1]]);
        first.ReportSuccess(10_002);
        first.ReportSuccess(10_003);
        first.SetHealth(HealthState.Down, "refused");
        first.SetHealth(HealthState.Down, "refused");
        first.SetHealth(HealthState.Up, null);
        first.SetFleetHealth(up: false);
        first.SetFleetHealth(up: false);
        first.SetFleetHealth(up: true);
        first.SetAdminState(AdminState.Drain);
        first.SetAdminState(AdminState.Drain);
        first.SetWeight(2);
        first.SetWeight(2);
        pool.Apply(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.2")));

        Assert.Equal(
            [
                "BackendOut 10.0.0.1", "BackendIn 10.0.0.1", "HealthDown 10.0.0.1 refused", "HealthUp 10.0.0.1", "FleetHealthDown 10.0.0.1",
                "FleetHealthUp 10.0.0.1", "AdminStateChanged 10.0.0.1 Drain", "WeightChanged 10.0.0.1 2", "BackendRemoved 10.0.0.1",
            ],
            heard);
    }

    [Fact]
    public async Task Pick_WhileReloading_AlwaysABackendOfItsSnapshot()
    {
        var one = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        var two = Pools.Options(BalanceKind.Random, Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3"));
        Pool pool = new(one, TimeProvider.System);
        using CancellationTokenSource done = new();
        var picking = Task.Factory.StartNew(
            () =>
            {
                while (!done.IsCancellationRequested)
                {
                    var snapshot = pool.Snapshot;
                    var picked = pool.Pick(new PickContext(snapshot, 1, 1, 0));
                    Assert.True(picked is not null && snapshot.Backends.Contains(picked));
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        for (int i = 0; i < 2_000; i++)
        {
            pool.Apply(i % 2 == 0 ? two : one);
        }

        await done.CancelAsync();
        await picking;
    }
}
