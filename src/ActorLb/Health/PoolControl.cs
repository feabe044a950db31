using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Supervision;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Health;

/// <summary>A pool with its actor, for callers that are not actors.</summary>
internal sealed class PoolControl : IAsyncDisposable
{
    /// <summary>An actor stops between two messages, and none of its messages takes long.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly IActorRef _actor;
    private readonly TaskCompletionSource _ready;
    private readonly CancellationTokenSource _stopped = new();

    private PoolControl(Pool pool, IActorRef actor, TaskCompletionSource ready)
    {
        Pool = pool;
        _actor = actor;
        _ready = ready;
    }

    public Pool Pool { get; }

    /// <summary>Completed when every name has been resolved once, successfully or not, or when the pool has stopped: listeners may
    /// then open.</summary>
    public Task Ready => _ready.Task;

    /// <param name="probes">The probe of a backend, null for none: <see cref="HealthProbes.Create"/>.</param>
    /// <param name="ownListener">This node's listener at an address, which therefore is not a backend; null when there is none.</param>
    public static PoolControl Start(
        IActorRefFactory system, Pool pool, NameResolution names, Func<PoolOptions, Backend, IHealthProbe?> probes, TimeProvider time,
        ILogger logger, Random? random = null, Func<IPEndPoint, string?>? ownListener = null)
    {
        // Kept outside the actor, which may restart.
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var own = random ?? new Random();
        var actor = system.ActorOf(
            ActorProps.Of(() => new PoolActor(pool, names, probes, ready, time, logger, own, ownListener ?? (static _ => null))), ActorNames.Of($"pool-{pool.Name}"));
        return new PoolControl(pool, actor, ready);
    }

    /// <returns>When the options are in force.</returns>
    /// <exception cref="OperationCanceledException">The pool has stopped.</exception>
    public async Task<PoolChange> ReloadAsync(PoolOptions options, CancellationToken cancel)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token, cancel);
        return await _actor.Ask<PoolChange>(new PoolMessage.Reload(options), either.Token).ConfigureAwait(false);
    }

    public async Task StopAsync()
    {
        await _stopped.CancelAsync().ConfigureAwait(false);
        try
        {
            await _actor.GracefulStop(StopPatience).ConfigureAwait(false);
        }
        catch (TaskCanceledException)
        {
            // It stops with its actor system.
        }

        _ready.TrySetResult();
    }

    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);
}
