using ActorLb.Hosting;
using ActorLb.Supervision;
using ActorLb.Testing;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Hosting;

/// <summary>A node system in virtual time: that of its timers and that of what is no actor pass together, when a test says so.</summary>
internal sealed class VirtualSystem : IAsyncDisposable
{
    private readonly NodeSystem _node;

    public VirtualSystem(DateTimeOffset? start = null)
    {
        Time = start is { } at ? new FakeTimeProvider(at) : new FakeTimeProvider();
        _node = new NodeSystem(
            Log, Time, ConfigurationFactory.ParseString("akka.scheduler.implementation = \"ActorLb.Tests.Hosting.VirtualScheduler, ActorLb.Tests\""));
    }

    public FakeTimeProvider Time { get; }

    public CollectedLog Log { get; } = new();

    public ActorSystem System => _node.System;

    /// <summary>One clock after the other: an actor that reads both in between may be off by a step.</summary>
    public void Advance(TimeSpan by)
    {
        Time.Advance(by);
        ((VirtualScheduler)System.Scheduler).Advance(by);
    }

    /// <summary>Lets time pass, in steps, until it holds.</summary>
    public async Task UntilAsync(Func<bool> holds, double step = 0.5)
    {
        using CancellationTokenSource patience = new(Wait.Patience);
        while (!holds())
        {
            Advance(TimeSpan.FromSeconds(step));
            await Task.Yield();
            if (patience.IsCancellationRequested) throw new TimeoutException(Describe());
        }
    }

    /// <summary>For a test that waits in vain: which actors there are, and what waits for them.</summary>
    public string Describe() => string.Join('\n', ActorTree.Read([System]));

    /// <summary>Waits, without time passing, for what actors do on their own threads.</summary>
    public static Task SoonAsync(Func<bool> holds) => Wait.UntilAsync(holds);

    public ValueTask DisposeAsync() => _node.DisposeAsync();
}
