using System.Collections.Concurrent;

namespace ActorLb.Server.Bench;

/// <summary>Connects the clients, publishes for the plan's time, then waits for outstanding acknowledgements.</summary>
internal sealed class PublishRun(BenchTarget target, PublishPlan plan, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Longest wait for acknowledgements and deliveries after the last message.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly ConcurrentBag<Publisher> _publishers = [];
    private readonly long _run = Random.Shared.NextInt64();
    private ClientGroup? _subscribers;

    public PublishCounters Counters { get; } = new();

    public ClientGroup Clients { get; } = new(target, time);

    /// <summary>Period in which messages were sent.</summary>
    public TimeSpan Sending { get; private set; }

    /// <summary>Why the requested subscriber is missing; null when it is not.</summary>
    public string? SubscriberFault => _subscribers is null ? null
        : _subscribers.Failures.Total + _subscribers.Lost.Total == 0 ? null
        : _subscribers.Failures.Ranked().Concat(_subscribers.Lost.Ranked()).First().Key;

    public async Task ConnectAsync(int clients, TimeSpan interval, CancellationToken cancel)
    {
        if (plan.Subscribe) await SubscribeAsync(cancel);
        await Clients.OpenAsync(clients, interval, client =>
        {
            var publisher = new Publisher(client, target.UserName, plan, Counters, _run, time);
            _publishers.Add(publisher);
            return publisher.ReceiveAsync();
        }, cancel);
    }

    /// <summary>Messages still waiting for an acknowledgement or a delivery.</summary>
    public long Pending
    {
        get
        {
            long sent = Volatile.Read(ref Counters.Sent);
            long unacknowledged = plan.Qos > 0 && Clients.Clients.Any() ? sent - Volatile.Read(ref Counters.Acknowledged) : 0;
            long undelivered = plan.Subscribe && SubscriberFault is null
                ? sent - Volatile.Read(ref Counters.Delivered) - Volatile.Read(ref Counters.Refused)
                : 0;
            return Math.Max(0, Math.Max(unacknowledged, undelivered));
        }
    }

    /// <returns>When the plan's time is over, the run is cancelled, or all publishers have lost their connections.</returns>
    public async Task PublishAsync(CancellationToken cancel)
    {
        using var over = new CancellationTokenSource(plan.Duration, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancel);
        Publisher[] publishers = [.. _publishers];
        double gap = plan.Rate > 0 ? 1 / plan.Rate : 0;
        var interval = TimeSpan.FromSeconds(gap * publishers.Length);
        long start = time.GetTimestamp();
        var sending = Task.WhenAll(publishers.Select((publisher, index) =>
            Task.Run(() => publisher.SendAsync(start, TimeSpan.FromSeconds(gap * index), interval, either.Token), CancellationToken.None)));
        // A slow publisher may be far from its next message when its connection is lost.
        await Task.WhenAny(sending, Clients.Ended);
        await over.CancelAsync();
        await sending;
        Sending = time.GetElapsedTime(start);
    }

    /// <returns>When the last acknowledgements and deliveries are in, or the wait for them is over.</returns>
    public async Task SettleAsync(CancellationToken cancel)
    {
        long start = time.GetTimestamp();
        while (Pending > 0 && time.GetElapsedTime(start) < Grace && !cancel.IsCancellationRequested)
            await Task.Delay(TimeSpan.FromMilliseconds(10), time, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await Clients.DisposeAsync();
        if (_subscribers is not null) await _subscribers.DisposeAsync();
    }

    private async Task SubscribeAsync(CancellationToken cancel)
    {
        _subscribers = new ClientGroup(target with { ClientIdPrefix = target.ClientIdPrefix + "sub" }, time);
        var subscribed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _subscribers.OpenAsync(1, TimeSpan.Zero, async client =>
        {
            try
            {
                var subscriber = new Subscriber(client, plan, Counters, _run, time);
                await subscriber.SubscribeAsync(target.UserName, cancel);
                subscribed.TrySetResult();
                await subscriber.ReceiveAsync();
            }
            finally
            {
                subscribed.TrySetResult(); // a failure is counted in the group's tally
            }
        }, cancel);
        if (_subscribers.Opened == 1) await subscribed.Task;
    }
}
