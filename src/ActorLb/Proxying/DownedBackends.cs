using ActorLb.Balancing;
using ActorLb.Protocol.Mqtt;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>
/// Closes the sessions of backends that are found down, at the pace of a drain and for as long as they are down: what is left when
/// a backend comes back stays.
/// </summary>
internal sealed partial class DownedBackends(IReadOnlyList<Reactor> reactors, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const BackendBlocks Down = BackendBlocks.Unhealthy | BackendBlocks.FleetUnhealthy;

    /// <summary>Slots looked at in one turn of a reactor: well under a millisecond.</summary>
    private const int Stretch = 4096;

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();

    // By backend, those at work; under _gate.
    private readonly Dictionary<Backend, Task> _closing = [];

    /// <summary>The backend was found down. From any thread; does not wait.</summary>
    /// <param name="within">Time over which its sessions are closed.</param>
    public void Close(string pool, Backend backend, TimeSpan within)
    {
        lock (_gate)
        {
            if (_closing.ContainsKey(backend) || _stop.IsCancellationRequested) return;
            _closing.Add(backend, Task.Run(() => CloseAsync(pool, backend, within)));
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task[] closing;
        lock (_gate)
        {
            _stop.Cancel();
            closing = [.. _closing.Values];
        }
        await Task.WhenAll(closing).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task CloseAsync(string pool, Backend backend, TimeSpan within)
    {
        int total = backend.Active, closed = 0;
        Log.Closing(logger, total, backend.Id, pool, within.TotalSeconds);
        var places = new int[reactors.Count];
        long start = time.GetTimestamp();
        while (GoesOn(backend))
        {
            TimeSpan elapsed = time.GetElapsedTime(start);
            // When the time is over, whoever came meanwhile goes too.
            int left = elapsed >= within ? backend.Active : DrainPace.Due(total, elapsed, within) - closed;
            for (int i = 0; i < reactors.Count && left > 0; i++)
            {
                int place = places[i], portion = left;
                (int some, places[i]) = await reactors[i].AskAsync(r => CloseSome(r, backend, place, portion)).ConfigureAwait(false);
                closed += some;
                left -= some;
            }
            try
            {
                await Task.Delay(DrainPace.Step, time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // The node stops.
            }
        }
    }

    /// <summary>Whether there is something to do; when there is not, the backend is forgotten at the same time, so that its next fall counts.</summary>
    private bool GoesOn(Backend backend)
    {
        lock (_gate)
        {
            if (!_stop.IsCancellationRequested && backend.Active > 0 && (backend.Blocks & Down) != BackendBlocks.None) return true;
            _closing.Remove(backend);
            return false;
        }
    }

    private static (int Closed, int Next) CloseSome(Reactor reactor, Backend backend, int from, int portion)
    {
        int closed = 0, slot = from < reactor.Slots ? from : 0;
        int end = Math.Min(reactor.Slots, slot + Stretch);
        for (; slot < end && closed < portion; slot++)
        {
            if (reactor.SessionAt(slot) is not { Phase: Phase.Relay, Leaving: false } session || session.Backend != backend) continue;
            reactor.Flow.Closer.Drain(reactor, session, DisconnectReason.ServerShuttingDown, CloseReason.BackendDown);
            closed++;
        }
        return (closed, slot);
    }

    private static partial class Log
    {
        [LoggerMessage(1502, LogLevel.Information, "closing the {Sessions} sessions of backend {Backend} of pool {Pool}, which is down, within {Seconds} s")]
        public static partial void Closing(ILogger logger, int sessions, string backend, string pool, double seconds);
    }
}
