using ActorLb.Actors;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Actors;

public sealed class ActorTests
{
    private readonly FakeTimeProvider _time = new();

    internal sealed record Ask(string Text, Reply<string> Reply) : IAwaitedMessage
    {
        public static Ask Of(string text) => new(text, new Reply<string>());

        public void Fail(Exception reason) => Reply.Fail(reason);
    }

    private sealed class Echo(FakeTimeProvider time, int capacity, FullMailbox whenFull)
        : Actor<Ask>("echo", capacity, whenFull, time, NullLogger.Instance, new Random(1))
    {
        public TaskCompletionSource Gate { get; } = new();

        public TaskCompletionSource Blocked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public SemaphoreSlim Failed { get; } = new(0);

        public List<string> Calls { get; } = [];

        protected override async ValueTask HandleAsync(Ask message)
        {
            Calls.Add(message.Text);
            switch (message.Text)
            {
                case "block":
                    Blocked.SetResult();
                    await Gate.Task;
                    break;
                case "fail":
                    Failed.Release();
                    throw new InvalidOperationException("broken");
            }

            message.Reply.Set(message.Text);
        }

        protected override ValueTask StartedAsync() => Call("started");

        protected override ValueTask RestartAsync() => Call("restart");

        protected override ValueTask StoppedAsync() => Call("stopped");

        private ValueTask Call(string what)
        {
            Calls.Add(what);
            return ValueTask.CompletedTask;
        }
    }

    [Fact]
    public async Task Post_Messages_HandledInOrder()
    {
        await using Echo actor = new(_time, 100, FullMailbox.Refuse);
        Ask[] asks = [.. Enumerable.Range(0, 100).Select(i => Ask.Of($"{i}"))];
        Assert.All(asks, a => Assert.True(actor.TryPost(a)));
        Assert.Equal(100, actor.QueueLength);

        actor.Start();
        await Task.WhenAll(asks.Select(a => a.Reply.Task));

        Assert.Equal(["started", .. Enumerable.Range(0, 100).Select(i => $"{i}")], actor.Calls);
        Assert.Equal(0, actor.QueueLength);
    }

    [Fact]
    public async Task Post_FullMailbox_RefusedCountedAndWaiterFailed()
    {
        await using Echo actor = new(_time, 2, FullMailbox.Refuse);
        Assert.True(actor.TryPost(Ask.Of("a")));
        Assert.True(await actor.PostAsync(Ask.Of("b"), CancellationToken.None));
        Ask dropped = Ask.Of("c");

        Assert.False(actor.TryPost(dropped));
        Assert.False(await actor.PostAsync(Ask.Of("d"), CancellationToken.None));

        await Assert.ThrowsAsync<MailboxException>(() => dropped.Reply.Task);
        Assert.Equal(2, actor.Drops);
    }

    [Fact]
    public async Task Post_FullMailboxThatWaits_GoesOnWhenThereIsRoom()
    {
        await using Echo actor = new(_time, 1, FullMailbox.Wait);
        Assert.True(actor.TryPost(Ask.Of("a")));
        Ask second = Ask.Of("b");
        ValueTask<bool> posting = actor.PostAsync(second, CancellationToken.None);
        Assert.False(posting.IsCompleted);

        actor.Start();

        Assert.True(await posting);
        Assert.Equal("b", await second.Reply.Task);
    }

    [Fact]
    public async Task Post_WaiterGivesUp_CountedAndFailed()
    {
        await using Echo actor = new(_time, 1, FullMailbox.Wait);
        actor.TryPost(Ask.Of("a"));
        using CancellationTokenSource patience = new();
        Ask second = Ask.Of("b");
        ValueTask<bool> posting = actor.PostAsync(second, patience.Token);

        await patience.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await posting);
        await Assert.ThrowsAsync<MailboxException>(() => second.Reply.Task);
        Assert.Equal(1, actor.Drops);
    }

    [Fact]
    public async Task Handle_Throws_WaiterFailsAndTheRestGoesOnAfterBackoff()
    {
        await using Echo actor = new(_time, 10, FullMailbox.Refuse);
        Ask broken = Ask.Of("fail");
        Ask next = Ask.Of("next");
        actor.TryPost(broken);
        actor.TryPost(next);
        actor.Start();

        InvalidOperationException e = await Assert.ThrowsAsync<InvalidOperationException>(() => broken.Reply.Task);
        Assert.Equal("broken", e.Message);
        Assert.False(next.Reply.Task.IsCompleted);
        while (!next.Reply.Task.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }

        Assert.Equal(["started", "fail", "restart", "next"], actor.Calls);
        Assert.Equal(1, actor.Restarts);
    }

    [Fact]
    public async Task Stop_MessagesLeft_WaitersFailAndTheCurrentOneEnds()
    {
        Echo actor = new(_time, 10, FullMailbox.Refuse);
        Ask current = Ask.Of("block");
        Ask left = Ask.Of("left");
        actor.TryPost(current);
        actor.TryPost(left);
        actor.Start();
        await actor.Blocked.Task;

        Task stopping = actor.StopAsync();
        Assert.False(stopping.IsCompleted);
        actor.Gate.SetResult();
        await stopping;
        await actor.StopAsync();

        Assert.Equal("block", await current.Reply.Task);
        await Assert.ThrowsAsync<MailboxException>(() => left.Reply.Task);
        Assert.Equal("stopped", actor.Calls[^1]);
        Assert.False(actor.TryPost(Ask.Of("late")));
        Assert.Throws<InvalidOperationException>(actor.Start);
        await actor.DisposeAsync();
    }

    [Fact]
    public async Task Stop_DuringBackoff_DoesNotWaitForIt()
    {
        Echo actor = new(_time, 10, FullMailbox.Refuse);
        Ask broken = Ask.Of("fail");
        actor.TryPost(broken);
        actor.Start();
        await actor.Failed.WaitAsync();

        await actor.StopAsync();

        Assert.DoesNotContain("restart", actor.Calls);
        await actor.DisposeAsync();
    }

    [Fact]
    public void Backoff_Next_DoublesToTheLimitWithJitter()
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), new Random(1));
        int[] full = [1, 2, 4, 8, 10, 10];
        foreach (int seconds in full)
        {
            Assert.InRange(backoff.Next().TotalSeconds, seconds / 2.0, seconds);
        }

        backoff.Reset();
        Assert.InRange(backoff.Next().TotalSeconds, 0.5, 1);
    }
}
