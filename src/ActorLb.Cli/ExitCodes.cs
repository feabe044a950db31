namespace ActorLb.Cli;

/// <summary>What scripts may rely on.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>The node answered, and the answer is no.</summary>
    public const int Refused = 1;

    /// <summary>The command line is wrong; nothing was asked.</summary>
    public const int Usage = 2;

    /// <summary>No node answered, or not as one does.</summary>
    public const int Unreachable = 3;
}
