using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;
using ActorLb.Telemetry;
using ActorLb.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Operations;

/// <summary>Operators' commands on a node that doesn't reach its fleet: they apply there nevertheless.</summary>
public sealed class FleetOperationsTests : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly BackendSlots _slots = new();
    private readonly Pool _pool;
    private readonly FleetBackends _backends;
    private readonly FleetOperations _fleet;

    public FleetOperationsTests()
    {
        var options = ConfigurationLoader.LoadText("""
            actorlb {
              node { name = lb-1, pid-file = off }
              cluster { bind = "127.0.0.1:7946", seeds = ["127.0.0.1:7946"] }
              pools.p { backends = ["10.0.0.1:1883", { address = "10.0.0.2:1883", down = true }, "10.0.0.3:1883"], health.probe = none }
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
            }
            """, _folder["fleet.conf"]).Options!;
        _pool = new Pool(options.Pools["p"], _time);
        _backends = new FleetBackends(
            options, _slots, new BackendDirectory(), () => _pool.Snapshot.Backends.ToArray().Select(b => ("p", b)),
            new Inquiry("lb-1", inFleet: true, _time, NullLogger.Instance), new EventFeed("lb-1", _time), _time,
            NullLoggerFactory.Instance);
        _backends.BackendsMayHaveChanged();
        _fleet = new FleetOperations(_backends.Member, options.Sticky, () => false, _time);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Backend One => _pool.Snapshot.Backends[0];

    public async ValueTask DisposeAsync()
    {
        await _backends.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task DrainAtPace_ChangedPausedAndEnded_IsOneDrain_AndItsClientsArePlacedAgain()
    {
        Assert.Null(await _fleet.DrainAtPaceAsync(_pool, One, 50, TimeSpan.FromSeconds(60), Cancel));
        long ordered = One.Pacing!.Ordered;
        Assert.Equal((AdminState.Drain, AdminState.Down), (One.AdminState, StateOf(One)));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Null(await _fleet.DrainAtPaceAsync(_pool, One, 70, TimeSpan.FromSeconds(60), Cancel));
        Assert.Equal(new PacedDrain(70, IsPaused: false, ordered), One.Pacing);

        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Null(await _fleet.SetDrainPausedAsync(_pool, One, paused: true, Cancel));
        _time.Advance(TimeSpan.FromHours(1));
        // Repeating it changes nothing.
        Assert.Null(await _fleet.SetDrainPausedAsync(_pool, One, paused: true, Cancel));
        Assert.Equal((new PacedDrain(70, IsPaused: true, ordered), TimeSpan.FromSeconds(40)), (One.Pacing, One.DrainLeft));
        Assert.Null(await _fleet.SetDrainPausedAsync(_pool, One, paused: false, Cancel));
        Assert.Equal(TimeSpan.FromSeconds(40), One.DrainLeft);

        // Without a rate the drain closes no sessions, and its clients keep the backend.
        Assert.Null(await _fleet.SetStateAsync(_pool, One, AdminState.Drain, deadline: null, Cancel));
        Assert.Equal((null, null, AdminState.Drain), (One.Pacing, One.DrainLeft, StateOf(One)));
        Assert.NotNull(await _fleet.SetDrainPausedAsync(_pool, One, paused: true, Cancel));
        Assert.Null(await _fleet.DrainAtPaceAsync(_pool, One, 50, deadline: null, Cancel));
        Assert.NotEqual(ordered, One.Pacing!.Ordered);
        Assert.Null(await _fleet.SetStateAsync(_pool, One, AdminState.Up, deadline: null, Cancel));
        Assert.Equal((null, AdminState.Up), (One.Pacing, StateOf(One)));
    }

    /// <summary>Its sessions remain.</summary>
    [Fact]
    public async Task DrainAtPace_OfABackendThatIsDownByThisNodesFile_IsEmptiedAllTheSame()
    {
        var down = _pool.Snapshot.Backends[1];
        Assert.Null(await _fleet.DrainAtPaceAsync(_pool, down, 50, TimeSpan.FromSeconds(60), Cancel));
        Assert.Equal((AdminState.Down, 50.0), (down.AdminState, down.Pacing!.Rate));
        Assert.Null(await _fleet.SetDrainPausedAsync(_pool, down, paused: true, Cancel));
        Assert.True(down.Pacing.IsPaused);
    }

    /// <summary>Two backends can drain at once, but the last one that takes clients can't be drained at a rate.</summary>
    [Fact]
    public async Task DrainAtPace_OfOneAfterTheOther_IsRefusedForTheLast()
    {
        Assert.Null(await _fleet.DrainAtPaceAsync(_pool, One, 50, deadline: null, Cancel));
        var refusal = await _fleet.DrainAtPaceAsync(_pool, _pool.Snapshot.Backends[2], 50, deadline: null, Cancel);
        Assert.Contains("no other backend of pool p takes new clients", refusal!.Reason, StringComparison.Ordinal);
        Assert.Null(await _fleet.SetStateAsync(_pool, _pool.Snapshot.Backends[2], AdminState.Drain, deadline: null, Cancel));
        Assert.Equal("waiting", ClosingProgressOf(One, 3));
        Assert.Equal((50.0, AdminState.Drain), (One.Pacing!.Rate, _pool.Snapshot.Backends[2].AdminState));
    }

    /// <summary>
    /// Another node's file has a backend that this node's lacks: its drain is kept for the others, and has no effect here.
    /// </summary>
    [Fact]
    public async Task DrainAtPace_OfABackendThatThisNodesFileLacks_IsKeptAndDoesNothingHere()
    {
        var other = new BackendKey("p", "10.0.0.9:1883");
        var record = new BackendRecord(new BackendRef(7, 8), AdminState.Drain, Pacing: new PacedDrain(50, IsPaused: false, 1));
        _backends.Member.Spread.OnBackends(Registers.Empty.With(other.Name, new Register(5, record.Encode())));
        Assert.Null(await _fleet.SetWeightAsync(_pool, One, 3, Cancel));
        Assert.Equal(record.Pacing, _backends.Member.Spread.Backends.Snapshot().Single(b => b.Key == other).Pacing);
        Assert.Equal(AdminState.Down, _slots.StateOf(new BackendRef(7, 8)));
        Assert.All(_pool.Snapshot.Backends.ToArray(), b => Assert.Null(b.Pacing));
    }

    private string? ClosingProgressOf(Backend backend, int connections)
    {
        for (int i = 0; i < connections; i++) Assert.True(backend.TryAcquire());
        return ClosingProgress.Of(_pool, backend, new ClosingCounts(_time), _ => 0)?.State;
    }

    private AdminState? StateOf(Backend backend) => _slots.StateOf(BackendRef.FromValue(backend.Reference));
}
