using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Discovery;
using ActorLb.Native;
using ActorLb.Protocol.Failures;
using ActorLb.Supervision;
using Akka.Actor;

namespace ActorLb.Health;

/// <summary>
/// The work on one backend: resolving its name and probing it. Results go to its parent, the pool's actor, which alone decides. Waiting
/// happens outside the actor; a result carries the probe and start that it belongs to, so that late ones are ignored.
/// </summary>
internal sealed class BackendActor : SupervisedActor
{
    /// <summary>Interval of resolving host names, since the system's resolver does not report how long an answer is valid.</summary>
    internal static readonly TimeSpan ResolveInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);

    /// <summary>First probes are spread over at most this time.</summary>
    private static readonly TimeSpan MaxStartJitter = TimeSpan.FromSeconds(1);

    private readonly Backend _backend;
    private readonly NameResolution _names;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Backoff _retry;
    private readonly CancellationTokenSource _stopping = new();
    private ProbeOrder? _order;

    // The current probe.
    private CancellationTokenSource? _probing;

    /// <param name="random">This actor's own.</param>
    public BackendActor(Backend backend, NameResolution names, TimeProvider time, Random random)
    {
        _backend = backend;
        _names = names;
        _time = time;
        _random = random;
        _retry = new Backoff(FirstRetry, ResolveInterval, random);
    }

    private sealed record ResolveDue
    {
        public static readonly ResolveDue Instance = new();
    }

    private sealed record ProbeDue
    {
        public static readonly ProbeDue Instance = new();
    }

    /// <param name="Asked">Identifies the start of the actor that asked.</param>
    private sealed record Found(CancellationTokenSource Asked, IPAddress[] Addresses, string? Problem);

    /// <param name="Probing">Identifies the probe.</param>
    private sealed record Probed(CancellationTokenSource Probing, ProbeResult Result);

    protected override void Begin()
    {
        Context.Parent.Tell(new PoolMessage.BackendStarted(_backend));
        if (!IPAddress.TryParse(_backend.Address.Host, out _)) Self.Tell(ResolveDue.Instance);
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case ResolveDue:
                OnResolveDue();
                return true;
            case Found found:
                OnFound(found);
                return true;
            case ProbeOrder order:
                OnOrder(order);
                return true;
            case ProbeDue:
                OnProbeDue();
                return true;
            case Probed probed:
                OnProbed(probed);
                return true;
            default:
                return false;
        }
    }

    protected override void PostStop()
    {
        _stopping.Cancel();
        _probing?.Cancel();
        base.PostStop();
    }

    private void OnResolveDue() => _ = ResolveAsync(_names, _backend.Address.Host, _stopping).PipeTo(Self);

    private void OnFound(Found found)
    {
        if (found.Asked != _stopping) return;
        Context.Parent.Tell(new PoolMessage.Resolved(_backend, found.Addresses, found.Problem));
        if (found.Problem is null) _retry.Reset();
        Timers.StartSingleTimer(ResolveDue.Instance, ResolveDue.Instance, found.Problem is null ? ResolveInterval : _retry.Next());
    }

    private void OnOrder(ProbeOrder order)
    {
        _order = order;
        _probing?.Cancel();
        _probing = null;
        Timers.Cancel(ProbeDue.Instance);
        _backend.History.ProbeDue(null);
        if (order.Probe is null) return;
        var spread = order.Options.Interval < MaxStartJitter ? order.Options.Interval : MaxStartJitter;
        ProbeIn(spread * _random.NextDouble());
    }

    private void OnProbeDue()
    {
        if (_order is not { Probe: { } probe, Options: { } options }) return;
        if (_backend.NextEndPoint() is not { } endPoint)
        {
            ProbeAgain(options);
            return;
        }
        var probing = _probing = new();
        _backend.History.ProbeDue(null);
        _ = ProbeAsync(probe, endPoint, options, _time, probing.Token).PipeTo(Self, success: result => new Probed(probing, result));
    }

    private void OnProbed(Probed probed)
    {
        if (probed.Probing != _probing || _order is not { } order) return;
        _probing = null;
        Context.Parent.Tell(new PoolMessage.Probed(_backend, order, probed.Result));
        ProbeAgain(order.Options);
    }

    // A tenth more or less, so that probes that happen to coincide drift apart.
    private void ProbeAgain(HealthOptions options) => ProbeIn(options.Interval * (0.9 + (0.2 * _random.NextDouble())));

    private void ProbeIn(TimeSpan delay)
    {
        _backend.History.ProbeDue(_time.GetUtcNow() + delay);
        Timers.StartSingleTimer(ProbeDue.Instance, ProbeDue.Instance, delay);
    }

    private static async Task<Found> ResolveAsync(NameResolution names, string host, CancellationTokenSource asked)
    {
        try
        {
            var addresses = NameResolution.Preferred(await names.Host(host, asked.Token).ConfigureAwait(false));
            addresses = addresses.Length <= DiscoveryMerge.MaxTargets ? addresses : addresses[..DiscoveryMerge.MaxTargets];
            return new Found(asked, addresses, addresses.Length == 0 ? "no address" : null);
        }
        catch (Exception e)
        {
            // The root of a resolution: whatever fails, there are no addresses. A stopped actor does not receive the result.
            return new Found(asked, [], FailureText.Describe(e));
        }
    }

    private static async Task<ProbeResult> ProbeAsync(
        IHealthProbe probe, IPEndPoint endPoint, HealthOptions options, TimeProvider time, CancellationToken end)
    {
        long start = time.GetTimestamp();
        var result = await AskAsync(probe, endPoint, options, time, end).ConfigureAwait(false);
        return result with { Took = time.GetElapsedTime(start) };
    }

    private static async Task<ProbeResult> AskAsync(
        IHealthProbe probe, IPEndPoint endPoint, HealthOptions options, TimeProvider time, CancellationToken end)
    {
        long began = MonotonicTime.Milliseconds(time);
        var probed = options.Port == 0 ? endPoint : new IPEndPoint(endPoint.Address, options.Port);
        using CancellationTokenSource timeout = new(options.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, end);
        try
        {
            var result = await probe.ProbeAsync(probed, either.Token).ConfigureAwait(false) with { Began = began };
            // Without descriptors more than the socket may fail, such as reading the authorities' certificates.
            return result is { Alive: false, Refused: false, Inconclusive: false } && FileDescriptors.AreOut() ? result with { Inconclusive = true } : result;
        }
        catch (OperationCanceledException)
        {
            // The result of an abandoned probe is dropped.
            return ProbeResult.Failed($"{probe.Owed} within {options.Timeout.TotalSeconds:0.###} s");
        }
        catch (Exception e)
        {
            // The root of a probe: whatever fails, the backend could not be shown to be alive.
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }
}
