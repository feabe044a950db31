using System.Text.Json.Serialization.Metadata;

namespace ActorLb.Cluster.Etcd;

/// <summary>One method of etcd's gateway.</summary>
/// <param name="Repeatable">
/// Doing it twice is the same as once, so it may go to the next member after any failure. Of any other, once it was sent, a missing
/// answer leaves the outcome unknown.
/// </param>
internal sealed record EtcdCall<TRequest, TResponse>(
    string Name, string Path, JsonTypeInfo<TRequest> Request, JsonTypeInfo<TResponse> Response, bool Repeatable,
    TimeSpan Timeout);

/// <summary>The gateway's methods that the fleet uses (etcd 3.4, <c>/v3</c>).</summary>
internal static class EtcdCalls
{
    // A member without a leader lets calls hang for 7 s (measured on 3.4); nothing here waits that long. A leader election
    // takes 1 to 2 s, which a write outlasts.
    private static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(3);

    // Two of them, and the pause before, fit in a TTL of 5 s.
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(1);

    public static readonly EtcdCall<EtcdRangeRequest, EtcdRangeResponse> Range = new(
        "range", "/v3/kv/range", EtcdJson.Default.EtcdRangeRequest, EtcdJson.Default.EtcdRangeResponse, true, ReadTimeout);

    public static readonly EtcdCall<EtcdPutRequest, EtcdPutResponse> Put = new(
        "put", "/v3/kv/put", EtcdJson.Default.EtcdPutRequest, EtcdJson.Default.EtcdPutResponse, false, WriteTimeout);

    public static readonly EtcdCall<EtcdDeleteRequest, EtcdDeleteResponse> Delete = new(
        "delete", "/v3/kv/deleterange", EtcdJson.Default.EtcdDeleteRequest, EtcdJson.Default.EtcdDeleteResponse, false, WriteTimeout);

    public static readonly EtcdCall<EtcdTxnRequest, EtcdTxnResponse> Txn = new(
        "transaction", "/v3/kv/txn", EtcdJson.Default.EtcdTxnRequest, EtcdJson.Default.EtcdTxnResponse, false, WriteTimeout);

    /// <summary>Repeatable: a lease granted for an answer that got lost ends by itself.</summary>
    public static readonly EtcdCall<EtcdLeaseGrantRequest, EtcdLeaseGrantResponse> LeaseGrant = new(
        "lease grant", "/v3/lease/grant", EtcdJson.Default.EtcdLeaseGrantRequest, EtcdJson.Default.EtcdLeaseGrantResponse, true, WriteTimeout);

    public static readonly EtcdCall<EtcdLeaseRequest, EtcdStreamLine<EtcdLeaseKeepAliveResponse>> LeaseKeepAlive = new(
        "lease keep-alive", "/v3/lease/keepalive", EtcdJson.Default.EtcdLeaseRequest,
        EtcdJson.Default.EtcdStreamLineEtcdLeaseKeepAliveResponse, true, KeepAliveTimeout);

    public static readonly EtcdCall<EtcdLeaseRequest, EtcdLeaseRevokeResponse> LeaseRevoke = new(
        "lease revoke", "/v3/lease/revoke", EtcdJson.Default.EtcdLeaseRequest, EtcdJson.Default.EtcdLeaseRevokeResponse, true, WriteTimeout);

    public static readonly EtcdCall<EtcdLeaseRequest, EtcdLeaseTimeToLiveResponse> LeaseTimeToLive = new(
        "lease time-to-live", "/v3/lease/timetolive", EtcdJson.Default.EtcdLeaseRequest,
        EtcdJson.Default.EtcdLeaseTimeToLiveResponse, true, ReadTimeout);

    public static readonly EtcdCall<EtcdAuthenticateRequest, EtcdAuthenticateResponse> Authenticate = new(
        "log-in", "/v3/auth/authenticate", EtcdJson.Default.EtcdAuthenticateRequest, EtcdJson.Default.EtcdAuthenticateResponse, true, WriteTimeout);

    public static readonly EtcdCall<EtcdEmpty, EtcdStatusResponse> Status = new(
        "status", "/v3/maintenance/status", EtcdJson.Default.EtcdEmpty, EtcdJson.Default.EtcdStatusResponse, true, ReadTimeout);

    public const string WatchPath = "/v3/watch";
}
