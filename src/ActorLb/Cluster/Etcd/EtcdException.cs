namespace ActorLb.Cluster.Etcd;

/// <summary>Whose fault a failed call is and what the caller may do about it.</summary>
internal enum EtcdError
{
    /// <summary>No member took the call: nothing was changed, it may be tried again.</summary>
    Unavailable,

    /// <summary>A write was sent and its outcome is not known: read again before trying again.</summary>
    OutcomeUnknown,

    /// <summary>The revision asked for was compacted away, or the store was wiped: list again.</summary>
    Compacted,

    /// <summary>Credentials, permissions or certificates were refused.</summary>
    AuthFailed,

    /// <summary>The lease named by the call is gone.</summary>
    LeaseNotFound,

    /// <summary>etcd refused the request as such; trying again gives the same answer.</summary>
    Rejected,

    /// <summary>Something answered that does not speak etcd's JSON gateway.</summary>
    Protocol,
}

/// <summary>A failed etcd call. The message names the call, the endpoint and the reason, never a credential.</summary>
internal sealed class EtcdException(EtcdError error, string message, Exception? inner = null) : Exception(message, inner)
{
    public EtcdError Error { get; } = error;

    /// <summary>Lowest revision that can still be read, when <see cref="Error"/> is Compacted; 0 if unknown.</summary>
    public long CompactRevision { get; init; }
}
