using System.Diagnostics;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Proxying;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Proxying;

public sealed class AdmissionTests
{
    private static NetEndPoint Client(string address, int port = 1000) => NetEndPoint.From(IPAddress.Parse(address), port);

    [Fact]
    public void ConnectRate_OverTheRate_RefusesUntilTimePasses()
    {
        ConnectRate rate = ConnectRate.Create(100)!;
        long now = Stopwatch.Frequency;
        int taken = Enumerable.Range(0, 500).Count(_ => rate.TryTake(now));
        Assert.Equal(100, taken);
        taken = Enumerable.Range(0, 500).Count(_ => rate.TryTake(now + (Stopwatch.Frequency / 2)));
        Assert.Equal(50, taken);
    }

    [Fact]
    public void ConnectRate_ManyThreads_GivesOutNoMoreThanTheRate()
    {
        ConnectRate rate = ConnectRate.Create(1000)!;
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
        AddressLimits limits = AddressLimits.Create(new LimitOptions(0, 2, 0), new FakeTimeProvider())!;
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
        AddressLimits limits = AddressLimits.Create(new LimitOptions(0, 0, 3), time)!;
        for (int i = 0; i < 3; i++) Assert.Equal(CloseReason.None, limits.TryEnter(Client("::1")));
        Assert.Equal(CloseReason.AddressRate, limits.TryEnter(Client("::1")));
        time.Advance(TimeSpan.FromSeconds(1));
        for (int i = 0; i < 3; i++) Assert.Equal(CloseReason.None, limits.TryEnter(Client("::1")));
        Assert.Equal(CloseReason.AddressRate, limits.TryEnter(Client("::1")));
    }

    [Fact]
    public void NodeAdmission_OverTheLimit_TellsAFewThenCloses()
    {
        var node = new NodeAdmission(2);
        Assert.Equal(CloseReason.None, node.Enter());
        Assert.Equal(CloseReason.None, node.Enter());
        for (int i = 0; i < NodeAdmission.RefusalsAtOnce; i++) Assert.Equal(CloseReason.NodeFull, node.Enter());
        Assert.Null(node.Enter());
        Assert.Equal(2 + NodeAdmission.RefusalsAtOnce, node.Active);
        for (int i = 0; i < 2 + NodeAdmission.RefusalsAtOnce; i++) node.Leave();
        Assert.Equal(0, node.Active);
        node.Draining = true;
        Assert.Equal(CloseReason.Draining, node.Enter());
    }

    [Theory]
    [InlineData(100_000, 1, 1, 20_000)]
    [InlineData(500, 1, 2, 20_000)]
    [InlineData(100_000, 4, 8, 1024)]
    public void OpenFiles_Fit_LeavesRoomForTheRest(int wanted, int listeners, int workers, long limit)
    {
        int fit = OpenFiles.Fit(wanted, listeners, workers, limit);
        Assert.InRange(fit, 1, wanted);
        Assert.True((fit * 2L) + (workers * listeners) + NodeAdmission.RefusalsAtOnce < limit);
    }
}
