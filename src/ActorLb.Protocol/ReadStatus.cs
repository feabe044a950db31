namespace ActorLb.Protocol;

/// <summary>Result of an incremental read over everything received so far.</summary>
public enum ReadStatus : byte
{
    /// <summary>The bytes may be the start of a message; call again with more.</summary>
    NeedMore,

    /// <summary>No further bytes can make it valid.</summary>
    Invalid,

    Done,
}
