using ActorLb.Balancing;
using ActorLb.Health;

namespace ActorLb.Tests.Health;

public sealed class HealthTrackTests
{
    /// <summary>Results +, - and ! (the backend's own word), and the state after each: U up, D down.</summary>
    [Theory]
    [InlineData(2, 3, "+", "U")]
    [InlineData(2, 3, "-", "D")]
    [InlineData(2, 3, "+---+", "UUUDD")]
    [InlineData(2, 3, "+--+--+---", "UUUUUUUUUD")]
    [InlineData(2, 3, "-+-++", "DDDDU")]
    [InlineData(1, 1, "+-+-", "UDUD")]
    [InlineData(3, 1, "-++-+++", "DDDDDDU")]
    [InlineData(2, 3, "+!++", "UDDU")]
    [InlineData(2, 3, "+-!-+", "UUDDD")]
    public void Next_Results_RiseAndFall(int rise, int fall, string results, string states)
    {
        HealthTrack track = default;
        string seen = "";
        foreach (char result in results)
        {
            track = track.Next(result == '+', rise, fall, refused: result == '!');
            seen += track.State == HealthState.Up ? 'U' : 'D';
        }

        Assert.Equal(states, seen);
    }

    [Fact]
    public void Next_Failures_CountedInARowWhateverTheState()
    {
        HealthTrack track = default;
        int[] seen = [.. "--+-+---".Select(result => (track = track.Next(result == '+', rise: 2, fall: 3)).Failures)];

        Assert.Equal([1, 2, 0, 1, 0, 1, 2, 3], seen);
    }
}
