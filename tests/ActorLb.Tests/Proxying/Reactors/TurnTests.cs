using ActorLb.Proxying.Reactors;

namespace ActorLb.Tests.Proxying.Reactors;

public sealed class TurnTests
{
    [Fact]
    public void MayRead_OfAPeerThatSendsWithoutEnd_IsOverByTheNumberOfReads()
    {
        var turn = default(Turn);
        Assert.True(turn.MayRead());
        int reads = 1;
        while (turn.MayRead()) reads++;
        Assert.InRange(reads, 1, Turn.Reads);
    }

    [Fact]
    public void MayRead_AfterSlowReads_IsOverByTheTime()
    {
        var turn = default(Turn);
        Assert.True(turn.MayRead());
        // The time runs from here: what the first read took is not known.
        turn.MayRead();
        // A turn reads the system's clock.
        Thread.Sleep(1);
        Assert.False(turn.MayRead());
    }
}
