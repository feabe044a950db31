using System.Collections.Concurrent;

namespace ActorLb.Server.Bench;

/// <summary>Connects the clients, publishes for the plan's time, waits for what is still unacknowledged.</summary>
internal sealed class PublishRun(BenchTarget target, PublishPlan plan, TimeProvider time) : IAsyncDisposable
{
    /// <summary>How long acknowledgements and deliveries are waited for after the last message.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly ConcurrentBag<Publisher> _publishers = [];
    private readonly long _run = Random.Shared.NextInt64();
    private ClientGroup? _subscribers;

    public PublishCounters Counters { get; } = new();

    public ClientGroup Clients { get; } = new(target, 64 * 1024, time);

    /// <summary>Time in which messages were sent.</summary>
    public TimeSpan Sending { get; private set; }

    /// <summary>Why there is no subscriber although one was asked for; null when all is well.</summary>
    public string? SubscriberFault => _subscribers is null ? null
        : _subscribers.Failures.Total + _subscribers.Lost.Total == 0 ? null
        : _subscribers.Failures.Ranked().Concat(_subscribers.Lost.Ranked()).First().Key;

    public async Task ConnectAsync(int clients, TimeSpan interval, CancellationToken cancellation)
    {
        if (plan.Subscribe) await SubscribeAsync(cancellation);
        await Clients.OpenAsync(clients, interval, client =>
        {
            var publisher = new Publisher(client, target.UserName, plan, Counters, _run, time);
            _publishers.Add(publisher);
            return publisher.ReceiveAsync();
        }, cancellation);
    }

    /// <returns>When the plan's time is over, or it was cancelled, and the last answers are in.</returns>
    public async Task PublishAsync(CancellationToken cancellation)
    {
        using var over = new CancellationTokenSource(plan.Duration, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellation);
        Publisher[] publishers = [.. _publishers];
        double gap = plan.Rate > 0 ? 1 / plan.Rate : 0;
        var interval = TimeSpan.FromSeconds(gap * publishers.Length);
        long start = time.GetTimestamp();
        await Task.WhenAll(publishers.Select((publisher, index) =>
            Task.Run(() => publisher.SendAsync(start, TimeSpan.FromSeconds(gap * index), interval, either.Token), CancellationToken.None)));
        Sending = time.GetElapsedTime(start);
        await SettleAsync(cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await Clients.DisposeAsync();
        if (_subscribers is not null) await _subscribers.DisposeAsync();
    }

    private async Task SubscribeAsync(CancellationToken cancellation)
    {
        // Its packets are as large as the messages, with a topic and properties on top.
        _subscribers = new ClientGroup(target with { ClientIdPrefix = target.ClientIdPrefix + "sub" }, plan.Size + 256 * 1024, time);
        var subscribed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _subscribers.OpenAsync(1, TimeSpan.Zero, async client =>
        {
            try
            {
                var subscriber = new Subscriber(client, plan, Counters, _run, time);
                await subscriber.SubscribeAsync(target.UserName, cancellation);
                subscribed.TrySetResult();
                await subscriber.ReceiveAsync();
            }
            finally
            {
                subscribed.TrySetResult(); // a fault is in the group's tally
            }
        }, cancellation);
        if (_subscribers.Opened == 1) await subscribed.Task;
    }

    private async Task SettleAsync(CancellationToken cancellation)
    {
        long start = time.GetTimestamp();
        while (Pending() && time.GetElapsedTime(start) < Grace && !cancellation.IsCancellationRequested && Clients.Clients.Any())
            await Task.Delay(TimeSpan.FromMilliseconds(10), time, CancellationToken.None);
    }

    private bool Pending() =>
        (plan.Qos > 0 && Volatile.Read(ref Counters.Acknowledged) < Volatile.Read(ref Counters.Sent))
        || (plan.Subscribe && SubscriberFault is null
            && Volatile.Read(ref Counters.Delivered) + Volatile.Read(ref Counters.Refused) < Volatile.Read(ref Counters.Sent));
}
