namespace ActorLb.Fleet.Inquiries;

/// <summary>What a member asks another one.</summary>
/// <param name="Id">Comes back with the answer.</param>
/// <param name="Question">Its name: a member of another release may not know it.</param>
/// <param name="Milliseconds">How long the asker waits.</param>
internal sealed record InquiryQuestion(long Id, string Question, int Milliseconds, ReadOnlyMemory<byte> Body);

/// <param name="Problem">Why there is no answer; null when <paramref name="Body"/> is it.</param>
internal sealed record InquiryAnswer(long Id, string? Problem, byte[] Body)
{
    /// <summary>The problem passes by itself: the member that was asked has not heard yet that the asker is one.</summary>
    public bool AskAgain { get; init; }
}

internal static class InquiryLimits
{
    /// <summary>Bytes of a question or of an answer: with its envelope it fits into a frame of the fleet, which has 256 KiB.</summary>
    public const int MaxBody = 192 * 1024;

    /// <summary>Bytes of a question's name.</summary>
    public const int MaxName = 64;

    /// <summary>Bytes of a problem's text.</summary>
    public const int MaxProblem = 2048;
}
