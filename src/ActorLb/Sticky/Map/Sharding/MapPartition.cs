namespace ActorLb.Sticky.Map.Sharding;

/// <summary>A session on this node.</summary>
/// <param name="Opened">In milliseconds of <see cref="StickyClock"/>.</param>
/// <param name="FellBack">The owner was not asked or did not answer in time, and has not confirmed the mapping since.</param>
internal readonly record struct LiveSession(BackendRef Backend, uint Number, long Opened, bool FellBack);

/// <summary>
/// One partition of the map: its entries if this node holds them, and this node's live sessions. Guarded by the shard's lock.
/// </summary>
internal sealed class MapPartition(int number, ShardStore store)
{
    public int Number => number;

    public ShardStore Store => store;

    public Dictionary<ulong, LiveSession>? Live { get; set; }

    /// <summary>Sessions that ended and clients that were not accepted, not yet sent to the owner.</summary>
    public List<(ulong H, BackendRef Backend, long At, bool IsRefused)>? Ended { get; set; }

    /// <summary>
    /// Incremented when the live sessions must be sent to the owner, which has confirmed them up to <see cref="Learned"/>.
    /// </summary>
    public uint LearnVersion { get; set; }

    public uint Learned { get; set; }

    public long LearnAt { get; set; }

    public long LiveTouchAt { get; set; }

    /// <summary>Some sessions fell back since the owner's last confirmation.</summary>
    public bool FellBack { get; set; }

    /// <summary>When an answer of the owner last arrived too late.</summary>
    public long LateAt { get; set; } = -1;
}
