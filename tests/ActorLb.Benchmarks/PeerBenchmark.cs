using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ActorLb.Cluster;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Benchmarks;

/// <summary>
/// Lookups over one peer stream, both ends in this process: the asking side keeps so many in flight, the answering side replies to
/// each as a shard's owner does. Prints lookups a second, latencies and what a lookup allocates at both ends together.
/// </summary>
internal static class PeerBenchmark
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(4);

    public static async Task RunAsync()
    {
        await using var owner = await NodeAsync("owner", new Owner());
        var asker = new Asker();
        await using var client = await NodeAsync("asker", asker);
        client.Transport.Connect(owner.Self);
        await asker.Up.Task;
        Console.WriteLine("in flight   lookups/s     p50 us     p99 us   p99.9 us     max us   B/lookup");
        foreach (var concurrency in new[] { 1, 64, 1024 })
        {
            asker.Start(concurrency);
            await Task.Delay(WarmUp);
            var (before, allocated, clock) = (asker.Snapshot(), GC.GetTotalAllocatedBytes(), Stopwatch.StartNew());
            await Task.Delay(Measured);
            var (after, bytes, time) = (asker.Snapshot(), GC.GetTotalAllocatedBytes() - allocated, clock.Elapsed);
            await asker.StopAsync();
            var counts = after.Zip(before, (a, b) => a - b).ToArray();
            var total = counts.Sum();
            Console.WriteLine(
                $"{concurrency,9} {total / time.TotalSeconds,11:N0} {Percentile(counts, total, 0.5),10} {Percentile(counts, total, 0.99),10} "
                + $"{Percentile(counts, total, 0.999),10} {Percentile(counts, total, 1),10} {bytes / (double)total,10:0.00}");
        }
    }

    private static int Percentile(long[] counts, long total, double share)
    {
        long seen = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            seen += counts[i];
            if (seen >= total * share)
            {
                return i;
            }
        }

        return counts.Length;
    }

    private static async Task<Node> NodeAsync(string name, IPeerHandler handler)
    {
        int port;
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        var etcd = new EtcdOptions([], "", TimeSpan.FromSeconds(5), null, null, null);
        var options = new ClusterOptions(CoordinatorKind.Etcd, "bench", new IPEndPoint(IPAddress.Loopback, port), null, null, null, null, etcd,
            [], TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), SplitRule.Majority, Shards: 64);
        var self = new PeerEndpoint(new PeerId(name, 1), $"127.0.0.1:{port}");
        var transport = new HttpPeerTransport(options, 1, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        await transport.StartAsync(self, handler, CancellationToken.None);
        return new Node(transport, self);
    }

    private sealed record Node(HttpPeerTransport Transport, PeerEndpoint Self) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Transport.DisposeAsync();
    }

    /// <summary>Answers every lookup with its first proposal.</summary>
    private sealed class Owner : IPeerHandler
    {
        public void OnFrame(IPeerLink link, ReadOnlySpan<byte> frame)
        {
            if (PeerFrameHeader.TryRead(frame, out var header) != PeerFrameError.None
                || PeerLookup.TryRead(frame, header.Type, out var lookup) != PeerFrameError.None)
            {
                throw new InvalidDataException("not a lookup");
            }

            Span<byte> reply = stackalloc byte[PeerReply.FrameSize];
            new PeerReply(PeerStatus.Ok, lookup[0], 0).Write(reply, header with { Type = PeerFrameType.Reply });
            if (!link.Send(reply, PeerLane.Calls))
            {
                throw new InvalidOperationException("the queue is full");
            }
        }

        public void OnUp(IPeerLink link)
        {
        }

        public void OnDown(IPeerLink link, string reason) => Console.Error.WriteLine($"down: {reason}");
    }

    /// <summary>Asks again with each answer. Request ids are slots of start times; the histogram is in microseconds.</summary>
    private sealed class Asker : IPeerHandler
    {
        private readonly long[] _started = new long[1024];
        private readonly long[] _latencies = new long[200_000];
        private readonly uint[] _proposals = [0x0001_0001, 0x0002_0001, 0x0003_0001];
        private IPeerLink? _link;
        private volatile bool _running;
        private int _inFlight;
        private ulong _next;
        private TaskCompletionSource _idle = new();

        public TaskCompletionSource Up { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Start(int concurrency)
        {
            _running = true;
            _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _inFlight = concurrency;
            for (uint slot = 0; slot < concurrency; slot++)
            {
                Ask(slot);
            }
        }

        public Task StopAsync()
        {
            _running = false;
            return _idle.Task;
        }

        public long[] Snapshot() => [.. _latencies];

        public void OnFrame(IPeerLink link, ReadOnlySpan<byte> frame)
        {
            PeerFrameHeader.TryRead(frame, out var header);
            if (PeerReply.TryRead(frame, out _) != PeerFrameError.None)
            {
                throw new InvalidDataException("not a reply");
            }

            var took = Stopwatch.GetElapsedTime(_started[header.RequestId]).Ticks / TimeSpan.TicksPerMicrosecond;
            _latencies[Math.Min(took, _latencies.Length - 1)]++;
            if (_running)
            {
                Ask(header.RequestId);
            }
            else if (Interlocked.Decrement(ref _inFlight) == 0)
            {
                _idle.SetResult();
            }
        }

        public void OnUp(IPeerLink link)
        {
            _link = link;
            Up.TrySetResult();
        }

        public void OnDown(IPeerLink link, string reason) => Console.Error.WriteLine($"down: {reason}");

        private void Ask(uint slot)
        {
            Span<byte> frame = stackalloc byte[PeerLookup.MaxSize];
            var header = new PeerFrameHeader(PeerFrameType.GetOrAssign, (byte)PeerCallFlags.Create, 0, slot, 1);
            var n = PeerLookup.Write(frame, header, Interlocked.Increment(ref _next), 0, _proposals);
            _started[slot] = Stopwatch.GetTimestamp();
            if (!_link!.Send(frame[..n], PeerLane.Calls))
            {
                throw new InvalidOperationException("the queue is full");
            }
        }
    }
}
