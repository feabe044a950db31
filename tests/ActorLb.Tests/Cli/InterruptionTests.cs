using ActorLb.Cli;

namespace ActorLb.Tests.Cli;

public sealed class InterruptionTests
{
    [Fact]
    public void CtrlC_EndsTheCommandThatRuns_TheSecondTheProgram()
    {
        using var interruption = new Interruption();
        var command = interruption.Begin();
        Assert.True(interruption.Interrupt());
        Assert.True(command.IsCancellationRequested);
        Assert.False(interruption.Interrupt());
    }

    [Fact]
    public void CtrlC_BetweenCommands_EndsNothing()
    {
        using var interruption = new Interruption();
        interruption.Begin();
        interruption.End();
        Assert.True(interruption.Interrupt());
        Assert.True(interruption.Interrupt());
        Assert.False(interruption.Begin().IsCancellationRequested);
    }

    [Fact]
    public void NextCommand_IsNotEndedByTheLastOnesCtrlC()
    {
        using var interruption = new Interruption();
        var first = interruption.Begin();
        interruption.Interrupt();
        var second = interruption.Begin();
        Assert.Equal((true, false), (first.IsCancellationRequested, second.IsCancellationRequested));
    }
}
