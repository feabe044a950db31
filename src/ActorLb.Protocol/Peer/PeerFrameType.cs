namespace ActorLb.Protocol.Peer;

/// <summary>Kinds of frames between nodes. The numbers are frozen: nodes of two versions talk during an upgrade. Append only.</summary>
public enum PeerFrameType : byte
{
    Hello = 1,
    Proof = 2,
    Refuse = 3,
    GetOrAssign = 4,
    Reply = 5,
    Reassign = 6,
    Touch = 7,
    Learn = 8,
    Replicate = 9,
    Ack = 10,
    SnapshotRequest = 11,
    Chunk = 12,
    Seal = 13,
    Digest = 14,
    Counts = 15,
    Health = 16,
    TableRequest = 17,
    Table = 18,
    Ready = 19,
}

/// <summary>What an owner says to a lookup. Frozen numbers, append only.</summary>
public enum PeerStatus : byte
{
    /// <summary>The entry was there. To a Learn: taken note of.</summary>
    Ok = 1,

    /// <summary>The entry was made or moved.</summary>
    New = 2,

    /// <summary>The epochs agree, but the shard is not the receiver's.</summary>
    WrongOwner = 3,

    /// <summary>The receiver is taking the shard over, or its copy is not complete and has no such entry.</summary>
    NotReady = 4,

    /// <summary>Too many calls.</summary>
    Overload = 5,

    /// <summary>The epochs differ: the reply's header carries the receiver's.</summary>
    StaleEpoch = 6,

    /// <summary>No entry, and no proposal that could become one. Of a replica: its copy is complete and has no such entry.</summary>
    None = 7,
}

/// <summary>Flags of a lookup's header.</summary>
[Flags]
public enum PeerCallFlags : byte
{
    None = 0,

    /// <summary>Make the entry if there is none.</summary>
    Create = 1,

    /// <summary>A session is being opened: the entry's time to live starts anew.</summary>
    Touch = 2,

    /// <summary>Asked of the replica, because the owner is silent: read only.</summary>
    Hedge = 4,

    /// <summary>Reassign whatever the entry says: an operator's will.</summary>
    Force = 8,

    /// <summary>Remove the entry: an operator's will.</summary>
    Remove = 16,

    /// <summary>Of a Reply: it answers a Learn.</summary>
    Learn = 32,
}

/// <summary>Flags of the frames that copy a shard.</summary>
[Flags]
public enum PeerCopyFlags : byte
{
    None = 0,

    /// <summary>Of a Replicate: the changes that the copy lacks are no longer held; it must ask for a snapshot.</summary>
    Reset = 1,

    /// <summary>Of an Ack: send again what follows the sequence.</summary>
    Resend = 2,
}

/// <summary>Why a frame was not understood. Frozen numbers: they are metric labels.</summary>
public enum PeerFrameError : byte
{
    None = 0,
    HeaderTooShort = 1,
    LengthTooSmall = 2,
    LengthTooLarge = 3,
    LengthMismatch = 4,
    UnknownType = 5,
    BodyTooShort = 6,
    BodyTooLong = 7,
    CountTooLarge = 8,
    TextInvalid = 9,
    StatusUnknown = 10,
    OperationUnknown = 11,
    VersionUnknown = 12,
}

public static class PeerFrameErrors
{
    public static string Describe(PeerFrameError error) => error switch
    {
        PeerFrameError.None => "no error",
        PeerFrameError.HeaderTooShort => "fewer than the 20 bytes of a frame header",
        PeerFrameError.LengthTooSmall => "the length field is smaller than the header",
        PeerFrameError.LengthTooLarge => "the length field exceeds the largest frame of 1 MiB",
        PeerFrameError.LengthMismatch => "the length field differs from the frame's length",
        PeerFrameError.UnknownType => "a frame type that this version does not know",
        PeerFrameError.BodyTooShort => "the body ends before its last field",
        PeerFrameError.BodyTooLong => "bytes follow the body's last field",
        PeerFrameError.CountTooLarge => "a count exceeds its limit",
        PeerFrameError.TextInvalid => "a text is empty, too long or not UTF-8",
        PeerFrameError.StatusUnknown => "a status that this version does not know",
        PeerFrameError.OperationUnknown => "an operation that this version does not know",
        PeerFrameError.VersionUnknown => "a protocol version that this version does not speak",
        _ => "unknown error " + (byte)error,
    };
}
