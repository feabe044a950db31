using ActorLb.Supervision;

namespace ActorLb.Tests.Supervision;

public sealed class BackoffTests
{
    [Fact]
    public void Next_DoublesToTheLimitWithJitter()
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
