namespace ActorLb.Fleet.Inquiries;

/// <summary>A question of one member to another.</summary>
/// <param name="Id">Returned with the answer.</param>
/// <param name="Question">Its name, which a member of another release may not know.</param>
/// <param name="Milliseconds">How long the asker waits.</param>
internal sealed record InquiryQuestion(long Id, string Question, int Milliseconds, ReadOnlyMemory<byte> Body);

/// <param name="Problem">Why there is no answer; null if <paramref name="Body"/> is the answer.</param>
internal sealed record InquiryAnswer(long Id, string? Problem, byte[] Body)
{
    /// <summary>The problem is temporary, so ask again: the member doesn't know yet that the asker is a member.</summary>
    public bool AskAgain { get; init; }
}

internal static class InquiryLimits
{
    /// <summary>The most bytes of a question or an answer. With its envelope it fits into a frame of 256 KiB.</summary>
    public const int MaxBody = 192 * 1024;

    /// <summary>The most bytes of a question's name.</summary>
    public const int MaxName = 64;

    /// <summary>The most bytes of a problem's text.</summary>
    public const int MaxProblem = 2048;
}
