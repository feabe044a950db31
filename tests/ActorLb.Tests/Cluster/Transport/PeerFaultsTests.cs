using ActorLb.Cluster.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Cluster.Transport;

public sealed class PeerFaultsTests : ILogger
{
    private readonly List<string> _lines = [];

    [Fact]
    public void Report_OfOneKind_IsLoggedEveryTenSecondsWithTheNumberHeldBack()
    {
        var time = new FakeTimeProvider();
        var faults = new PeerFaults(this, time);
        for (var i = 0; i < 5; i++)
        {
            faults.Report(PeerFault.Proof, "x", "wrong");
        }

        faults.Report(PeerFault.Cluster, "y", "other");
        Assert.Equal(2, _lines.Count);
        time.Advance(TimeSpan.FromSeconds(10));
        faults.Report(PeerFault.Proof, "x", "wrong");
        Assert.Equal(3, _lines.Count);
        Assert.Contains("4 more", _lines[2], StringComparison.Ordinal);
        Assert.Equal(6, faults.CountOf(PeerFault.Proof));
        Assert.Equal(1, faults.CountOf(PeerFault.Cluster));
        Assert.Equal(0, faults.CountOf(PeerFault.Garbage));
    }

    // Metric labels: a number never changes its meaning.
    [Fact]
    public void Faults_AreFrozen() => Assert.Equal(
        "None=0 Garbage=1 Tls=2 Malformed=3 Version=4 Cluster=5 Proof=6 HashKey=7 SameName=8 Timeout=9 Connection=10 OtherRun=11",
        string.Join(' ', Enum.GetValues<PeerFault>().Select(f => $"{f}={(int)f}")));

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Add(formatter(state, exception));

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;
}
