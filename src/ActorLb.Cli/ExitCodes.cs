namespace ActorLb.Cli;

/// <summary>Exit codes that scripts can rely on.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>The node answered with a refusal.</summary>
    public const int Refused = 1;

    /// <summary>The command line is wrong; no request was sent.</summary>
    public const int Usage = 2;

    /// <summary>No node answered, or something answered that is not a node.</summary>
    public const int Unreachable = 3;
}
