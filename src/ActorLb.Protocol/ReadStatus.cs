namespace ActorLb.Protocol;

/// <summary>Outcome of an incremental read over everything received so far.</summary>
public enum ReadStatus : byte
{
    /// <summary>What is there may begin a message; ask again with more bytes.</summary>
    NeedMore,

    /// <summary>No further byte can make it valid.</summary>
    Invalid,

    Done,
}
