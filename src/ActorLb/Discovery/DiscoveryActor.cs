using ActorLb.Configuration;
using ActorLb.Health;
using ActorLb.Protocol.Failures;
using ActorLb.Supervision;
using Akka.Actor;

namespace ActorLb.Discovery;

/// <summary>Queries for a pool's backends at intervals; the answers go to its parent, the pool's actor.</summary>
internal sealed class DiscoveryActor : SupervisedActor
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);

    private readonly DiscoveryOptions _question;
    private readonly Func<CancellationToken, Task<DiscoveryAnswer>> _ask;
    private readonly Backoff _retry;
    private readonly CancellationTokenSource _stopping = new();

    /// <param name="ask">Throws when there is no answer.</param>
    /// <param name="random">This actor's own.</param>
    public DiscoveryActor(DiscoveryOptions question, Func<CancellationToken, Task<DiscoveryAnswer>> ask, Random random)
    {
        _question = question;
        _ask = ask;
        _retry = new Backoff(FirstRetry, question.Interval > FirstRetry ? question.Interval : FirstRetry, random);
    }

    private sealed record AskDue
    {
        public static readonly AskDue Instance = new();
    }

    /// <param name="Asked">Identifies the start of the actor that asked.</param>
    /// <param name="Failed">There was no answer at all.</param>
    private sealed record Answer(CancellationTokenSource Asked, DiscoveryAnswer Found, string? Problem, bool Failed);

    protected override void Begin() => Self.Tell(AskDue.Instance);

    protected override bool On(object message)
    {
        switch (message)
        {
            case AskDue:
                OnAskDue();
                return true;
            case Answer answer:
                OnAnswer(answer);
                return true;
            default:
                return false;
        }
    }

    protected override void PostStop()
    {
        _stopping.Cancel();
        base.PostStop();
    }

    private void OnAskDue() => _ = AskAsync(_ask, _stopping).PipeTo(Self);

    private void OnAnswer(Answer answer)
    {
        if (answer.Asked != _stopping) return;
        Context.Parent.Tell(new PoolMessage.Discovered(_question, answer.Found, answer.Problem));
        if (!answer.Failed) _retry.Reset();
        Timers.StartSingleTimer(AskDue.Instance, AskDue.Instance, answer.Problem is null ? _question.Interval : _retry.Next());
    }

    private static async Task<Answer> AskAsync(Func<CancellationToken, Task<DiscoveryAnswer>> ask, CancellationTokenSource asked)
    {
        try
        {
            var found = await ask(asked.Token).ConfigureAwait(false);
            return new Answer(asked, found, found.Backends.IsEmpty ? "no backend found" : null, Failed: false);
        }
        catch (Exception e)
        {
            // The root of a query: whatever fails, the backends stay as they are. A stopped actor does not receive the result.
            return new Answer(asked, DiscoveryAnswer.None, FailureText.Describe(e), Failed: true);
        }
    }
}
