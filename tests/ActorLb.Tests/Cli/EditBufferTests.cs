using ActorLb.Cli.Prompt;

namespace ActorLb.Tests.Cli;

public sealed class EditBufferTests
{
    [Fact]
    public void Typing_AtTheCursor_Inserts()
    {
        var buffer = Typed("pol");
        Press(buffer, ConsoleKey.LeftArrow);
        Press(buffer, 'o');
        Assert.Equal(("pool", 3), (buffer.Text, buffer.Cursor));
    }

    [Theory]
    [InlineData(ConsoleKey.A, 0)]
    [InlineData(ConsoleKey.E, 9)]
    [InlineData(ConsoleKey.B, 8)]
    [InlineData(ConsoleKey.LeftArrow, 5)]
    public void Control_MovesTheCursor(ConsoleKey key, int cursor)
    {
        var buffer = Typed("pool list");
        Press(buffer, key, control: true);
        Assert.Equal(cursor, buffer.Cursor);
    }

    [Theory]
    [InlineData(ConsoleKey.W, "pool ")]
    [InlineData(ConsoleKey.U, "")]
    [InlineData(ConsoleKey.H, "pool lis")]
    [InlineData(ConsoleKey.K, "pool list")]
    public void Control_Deletes(ConsoleKey key, string left)
    {
        var buffer = Typed("pool list");
        Press(buffer, key, control: true);
        Assert.Equal(left, buffer.Text);
    }

    [Fact]
    public void Character_OfTwoHalves_MovesAndGoesWhole()
    {
        var buffer = Typed("a\U0001F600b");
        Press(buffer, ConsoleKey.LeftArrow);
        Press(buffer, ConsoleKey.LeftArrow);
        Assert.Equal(1, buffer.Cursor);
        Press(buffer, ConsoleKey.Delete);
        Assert.Equal("ab", buffer.Text);
    }

    [Fact]
    public void History_UpAndDown_ComesBackToWhatWasTyped()
    {
        var buffer = new EditBuffer(["first", "second"]);
        buffer.Insert("dra");
        Press(buffer, ConsoleKey.UpArrow);
        Assert.Equal("second", buffer.Text);
        Press(buffer, ConsoleKey.UpArrow);
        Press(buffer, ConsoleKey.UpArrow);
        Assert.Equal("first", buffer.Text);
        Press(buffer, ConsoleKey.DownArrow);
        Press(buffer, ConsoleKey.DownArrow);
        Press(buffer, ConsoleKey.DownArrow);
        Assert.Equal("dra", buffer.Text);
    }

    [Fact]
    public void ControlD_EndsOnlyAnEmptyLine()
    {
        var buffer = Typed("ab");
        Press(buffer, ConsoleKey.Home);
        Assert.Equal(EditOutcome.Edited, Press(buffer, ConsoleKey.D, control: true));
        Assert.Equal("b", buffer.Text);
        Press(buffer, ConsoleKey.D, control: true);
        Assert.Equal(EditOutcome.Ended, Press(buffer, ConsoleKey.D, control: true));
    }

    private static EditBuffer Typed(string text)
    {
        var buffer = new EditBuffer([]);
        foreach (char c in text) Press(buffer, c);
        return buffer;
    }

    private static EditOutcome Press(EditBuffer buffer, ConsoleKey key, bool control = false) =>
        buffer.Apply(new ConsoleKeyInfo('\0', key, shift: false, alt: false, control));

    private static void Press(EditBuffer buffer, char c) => buffer.Apply(new ConsoleKeyInfo(c, default, shift: false, alt: false, control: false));
}
