using System.Diagnostics;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class AdmissionTests
{
    private static NetEndPoint Client(string address, int port = 1000) => NetEndPoint.From(IPAddress.Parse(address), port);

    [Fact]
    public void ConnectRate_OverTheRate_RefusesUntilTimePasses()
    {
        var rate = ConnectRate.Create(100)!;
        long now = Stopwatch.Frequency;
        int taken = Enumerable.Range(0, 500).Count(_ => rate.TryTake(now));
        Assert.Equal(100, taken);
        taken = Enumerable.Range(0, 500).Count(_ => rate.TryTake(now + (Stopwatch.Frequency / 2)));
        Assert.Equal(50, taken);
    }

    [Fact]
    public void ConnectRate_ManyThreads_GivesOutNoMoreThanTheRate()
    {
        var rate = ConnectRate.Create(1000)!;
        long now = Stopwatch.Frequency;
        int taken = 0;
        Parallel.For(0, 4, _ =>
        {
            for (int i = 0; i < 5000; i++)
            {
                if (rate.TryTake(now)) Interlocked.Increment(ref taken);
            }
        });
        Assert.Equal(1000, taken);
    }

    [Fact]
    public void Zero_MeansNoLimit()
    {
        Assert.Null(ConnectRate.Create(0));
        Assert.Null(AddressLimits.Create(new LimitOptions(10, 0, 0), TimeProvider.System));
    }

    [Fact]
    public void AddressLimits_Connections_CountsEachAddressAlone()
    {
        var limits = AddressLimits.Create(new LimitOptions(0, 2, 0), new FakeTimeProvider())!;
        Assert.Equal(CloseReason.None, limits.TryEnter(Client("10.0.0.1", 1)));
        Assert.Equal(CloseReason.None, limits.TryEnter(Client("10.0.0.1", 2)));
        Assert.Equal(CloseReason.AddressFull, limits.TryEnter(Client("10.0.0.1", 3)));
        Assert.Equal(CloseReason.None, limits.TryEnter(Client("10.0.0.2", 3)));
        limits.Leave(Client("10.0.0.1", 1));
        Assert.Equal(CloseReason.None, limits.TryEnter(Client("10.0.0.1", 4)));
    }

    [Fact]
    public void AddressLimits_Rate_RefillsWithTime()
    {
        var time = new FakeTimeProvider();
        var limits = AddressLimits.Create(new LimitOptions(0, 0, 3), time)!;
        for (int i = 0; i < 3; i++) Assert.Equal(CloseReason.None, limits.TryEnter(Client("::1")));
        Assert.Equal(CloseReason.AddressRate, limits.TryEnter(Client("::1")));
        time.Advance(TimeSpan.FromSeconds(1));
        for (int i = 0; i < 3; i++) Assert.Equal(CloseReason.None, limits.TryEnter(Client("::1")));
        Assert.Equal(CloseReason.AddressRate, limits.TryEnter(Client("::1")));
    }

    [Fact]
    public void NodeAdmission_OverTheLimit_CountsNobody()
    {
        var node = new NodeAdmission(2);
        Assert.True(node.TryEnter());
        Assert.True(node.TryEnter());
        for (int i = 0; i < 1000; i++) Assert.False(node.TryEnter());
        Assert.Equal(2, node.Active);
        node.Leave();
        Assert.True(node.TryEnter());
        node.MaxConnections = 3;
        Assert.True(node.TryEnter());
        Assert.False(node.TryEnter());
    }

    [Theory]
    [InlineData(1, 128)]
    [InlineData(4, 32)]
    [InlineData(64, 8)]
    public void NodeAdmission_Refused_ArePartedAmongTheReactors(int reactors, int each) =>
        Assert.Equal(each, NodeAdmission.RefusedOnEach(reactors));

    [Theory]
    [InlineData(100_000, 1, 1, 20_000)]
    [InlineData(500, 1, 2, 20_000)]
    [InlineData(100_000, 4, 8, 1024)]
    public void OpenFiles_Fit_LeavesRoomForTheRest(int wanted, int listeners, int workers, long limit)
    {
        int fit = OpenFiles.Fit(wanted, listeners, workers, limit);
        Assert.InRange(fit, 1, wanted);
        Assert.True((fit * 2L) + (workers * (listeners + NodeAdmission.RefusedOnEach(workers))) < limit);
    }
}
