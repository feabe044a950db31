using System.Net;
using ActorLb.Actors;
using ActorLb.Balancing;
using ActorLb.Balancing.Discovery;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Health;

/// <summary>
/// The work on one backend: resolving its name and probing it. What it finds goes to the pool's actor, which alone changes state.
/// </summary>
/// <param name="random">Used while starting only, on the actor's loop; each loop draws from its own.</param>
internal sealed class BackendWatch(
    Backend backend, NameResolution names, TimeProvider time, Random random, Func<PoolMessage, CancellationToken, ValueTask<bool>> post)
{
    /// <summary>Host names are asked for again this often: the system's resolver does not tell how long an answer holds.</summary>
    internal static readonly TimeSpan ResolveInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);

    /// <summary>First probes are spread over this time at most.</summary>
    private static readonly TimeSpan MaxStartJitter = TimeSpan.FromSeconds(1);

    private Task _resolving = Task.CompletedTask;
    private Task _probing = Task.CompletedTask;
    private CancellationTokenSource? _resolvingEnd;
    private CancellationTokenSource? _probingEnd;

    public Backend Backend { get; } = backend;

    /// <summary>Owned by the actor's loop.</summary>
    public HealthTrack Track { get; set; }

    /// <summary>The last warning about the name; owned by the actor's loop.</summary>
    public string? ResolveProblem { get; set; }

    public bool IsLiteral { get; } = IPAddress.TryParse(backend.Address.Host, out _);

    public void StartResolving(CancellationToken stopping)
    {
        if (!IsLiteral)
        {
            _resolvingEnd = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            CancellationToken end = _resolvingEnd.Token;
            Random own = new(random.Next());
            _resolving = Task.Run(() => ResolveLoopAsync(own, end), CancellationToken.None);
        }
    }

    public void StartProbing(IHealthProbe probe, HealthOptions options, CancellationToken stopping)
    {
        _probingEnd = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        CancellationToken end = _probingEnd.Token;
        Random own = new(random.Next());
        _probing = Task.Run(() => ProbeLoopAsync(probe, options, own, end), CancellationToken.None);
    }

    public async Task StopProbingAsync()
    {
        if (_probingEnd is not null)
        {
            await _probingEnd.CancelAsync().ConfigureAwait(false);
            await _probing.ConfigureAwait(false);
            _probingEnd.Dispose();
            _probingEnd = null;
        }
    }

    public async Task StopAsync()
    {
        await StopProbingAsync().ConfigureAwait(false);
        if (_resolvingEnd is not null)
        {
            await _resolvingEnd.CancelAsync().ConfigureAwait(false);
            await _resolving.ConfigureAwait(false);
            _resolvingEnd.Dispose();
            _resolvingEnd = null;
        }
    }

    private async Task ResolveLoopAsync(Random own, CancellationToken end)
    {
        Backoff retry = new(FirstRetry, ResolveInterval, own);
        try
        {
            while (true)
            {
                IPAddress[] addresses = [];
                string? problem = null;
                try
                {
                    addresses = NameResolution.Preferred(await names.Host(Backend.Address.Host, end).ConfigureAwait(false));
                    addresses = addresses.Length <= DiscoveryMerge.MaxTargets ? addresses : addresses[..DiscoveryMerge.MaxTargets];
                    problem = addresses.Length == 0 ? "no address" : null;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    problem = e.Message;
                }

                await post(new PoolMessage.Resolved(this, addresses, problem), end).ConfigureAwait(false);
                TimeSpan wait = ResolveInterval;
                if (problem is null)
                {
                    retry.Reset();
                }
                else
                {
                    wait = retry.Next();
                }

                await Task.Delay(wait, time, end).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The end of the watch.
        }
    }

    private async Task ProbeLoopAsync(IHealthProbe probe, HealthOptions options, Random own, CancellationToken end)
    {
        try
        {
            TimeSpan spread = options.Interval < MaxStartJitter ? options.Interval : MaxStartJitter;
            await Task.Delay(spread * own.NextDouble(), time, end).ConfigureAwait(false);
            while (true)
            {
                if (Backend.NextEndPoint() is { } endPoint)
                {
                    ProbeResult result = await ProbeOnceAsync(probe, endPoint, options, end).ConfigureAwait(false);
                    await post(new PoolMessage.Probed(this, result), end).ConfigureAwait(false);
                }

                // A tenth more or less keeps probes that met by chance from staying together.
                await Task.Delay(options.Interval * (0.9 + (0.2 * own.NextDouble())), time, end).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The end of the watch.
        }
    }

    private async Task<ProbeResult> ProbeOnceAsync(IHealthProbe probe, IPEndPoint endPoint, HealthOptions options, CancellationToken end)
    {
        long began = MonotonicTime.Milliseconds(time);
        IPEndPoint probed = options.Port == 0 ? endPoint : new IPEndPoint(endPoint.Address, options.Port);
        using CancellationTokenSource timeout = new(options.Timeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, end);
        try
        {
            ProbeResult result = await probe.ProbeAsync(probed, either.Token).ConfigureAwait(false) with { Began = began };
            // Without descriptors more than the socket can be missing: the authorities' certificates, for one.
            return result is { Alive: false, Refused: false, Inconclusive: false } && FileDescriptors.AreOut() ? result with { Inconclusive = true } : result;
        }
        catch (OperationCanceledException) when (!end.IsCancellationRequested)
        {
            return ProbeResult.Failed($"no answer in {options.Timeout.TotalSeconds:0.###} s");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The root of a probe: whatever went wrong, the backend could not be proven alive.
            return ProbeResult.Of(e, $"{e.GetType().Name}: {e.Message}");
        }
    }
}
