using ActorLb.Balancing;
using ActorLb.Standalone;
using ActorLb.Sticky;
using BenchmarkDotNet.Attributes;

namespace ActorLb.Benchmarks;

/// <summary>What a local lookup costs and allocates: nothing.</summary>
[MemoryDiagnoser]
public class LookupBenchmarks
{
    private readonly BackendRef[] _backends = [new(1, 1), new(2, 1)];
    private LocalStickyMap _map = null!;
    private ulong _next;

    [GlobalSetup]
    public void Setup()
    {
        var slots = new BackendSlots();
        slots.Set(_backends[0], AdminState.Up);
        slots.Set(_backends[1], AdminState.Up);
        _map = new LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 10_000_000, slots, TimeProvider.System);
    }

    [GlobalCleanup]
    public void Cleanup() => _map.Dispose();

    [Benchmark]
    public BackendRef KnownClient()
    {
        _map.GetOrAssign(_next++ & 0xFFF, _backends, null!, 0, out var answer);
        return answer.Backend;
    }

    [Benchmark]
    public ulong Hash() => _map.Hash("emqx"u8, "a-client-id-of-usual-length"u8);
}
