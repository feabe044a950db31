namespace ActorLb.Balancing;

/// <summary>What a policy may know about the client that it places. Built on the reactor's stack for each pick.</summary>
public readonly ref struct PickContext
{
    /// <summary>The <see cref="KeyHash"/> of a client whose key is empty.</summary>
    public const ulong NoKey = 0;

    /// <param name="snapshot">The pool as this connection sees it until it ends.</param>
    /// <param name="keyHash"><see cref="ActorLb.Balancing.KeyHash.Of"/> of the pool's hash key, or <see cref="NoKey"/>; unused by
    /// other policies.</param>
    /// <param name="addressHash"><see cref="ActorLb.Balancing.KeyHash.OfAddress(ReadOnlySpan{byte})"/> of the client.</param>
    /// <param name="now">Milliseconds of <see cref="MonotonicTime"/>.</param>
    /// <param name="tried">Backends that already failed this client.</param>
    /// <param name="newClient">False when the client is mapped and may go to a draining backend.</param>
    public PickContext(
        PoolSnapshot snapshot, ulong keyHash, ulong addressHash, long now, ReadOnlySpan<Backend> tried = default, bool newClient = true)
        : this(snapshot, snapshot.Primaries, keyHash, addressHash, now, tried, newClient)
    {
    }

    private PickContext(
        PoolSnapshot snapshot, ReadOnlySpan<Backend> candidates, ulong keyHash, ulong addressHash, long now,
        ReadOnlySpan<Backend> tried, bool newClient)
    {
        Snapshot = snapshot;
        Candidates = candidates;
        KeyHash = keyHash;
        AddressHash = addressHash;
        Now = now;
        Tried = tried;
        NewClient = newClient;
    }

    public PoolSnapshot Snapshot { get; }

    /// <summary>The backends to choose from: the primaries, or the backups when no primary is left.</summary>
    public ReadOnlySpan<Backend> Candidates { get; }

    public ulong KeyHash { get; }

    public ulong AddressHash { get; }

    public long Now { get; }

    public ReadOnlySpan<Backend> Tried { get; }

    public bool NewClient { get; }

    /// <summary>For a client that does not wait for a certain backend: only those with room for it now. The default is any.</summary>
    internal Room Room { get; init; }

    /// <summary>Whether the policy may choose this candidate.</summary>
    public bool Allows(Backend backend)
    {
        foreach (var tried in Tried)
        {
            if (ReferenceEquals(tried, backend))
            {
                return false;
            }
        }

        return backend.IsEligible(Now, NewClient) && (!Room.IsAsked || Room.IsAt(backend));
    }

    /// <summary>Whether any candidate would be allowed if it had room.</summary>
    internal bool AllowsWithoutRoom()
    {
        if (!Room.IsAsked)
        {
            return false;
        }

        var anyRoom = this with { Room = default };
        foreach (var backend in Candidates)
        {
            if (anyRoom.Allows(backend))
            {
                return true;
            }
        }

        return false;
    }

    internal PickContext Among(ReadOnlySpan<Backend> candidates) =>
        new(Snapshot, candidates, KeyHash, AddressHash, Now, Tried, NewClient) { Room = Room };
}
