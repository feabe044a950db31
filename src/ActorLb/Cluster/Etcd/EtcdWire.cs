using System.Text.Json.Serialization;

namespace ActorLb.Cluster.Etcd;

// Messages of etcd's rpc.proto (API v3) as its JSON gateway speaks them: names as in the proto file, int64 as strings,
// bytes as base64, fields of value zero left out. Only what the fleet uses is here. Properties with a default have a setter: the
// generated reader sets each init-only property, to null where the field was left out.

internal sealed record EtcdHeader
{
    public ulong ClusterId { get; init; }
    public ulong MemberId { get; init; }
    public long Revision { get; init; }
    public ulong RaftTerm { get; init; }
}

internal sealed record EtcdKeyValue
{
    public byte[] Key { get; set; } = [];
    public byte[] Value { get; set; } = [];
    public long CreateRevision { get; init; }
    public long ModRevision { get; init; }
    public long Version { get; init; }
    public long Lease { get; init; }
}

internal sealed record EtcdRangeRequest
{
    public required byte[] Key { get; init; }
    public byte[]? RangeEnd { get; init; }
    public long Limit { get; init; }
    public long Revision { get; init; }
    public bool KeysOnly { get; init; }
    public bool CountOnly { get; init; }
    public bool Serializable { get; init; }
}

internal sealed record EtcdRangeResponse
{
    public EtcdHeader Header { get; set; } = new();
    public EtcdKeyValue[] Kvs { get; set; } = [];
    public bool More { get; init; }
    public long Count { get; init; }
}

internal sealed record EtcdPutRequest
{
    public required byte[] Key { get; init; }
    public byte[] Value { get; set; } = [];
    public long Lease { get; init; }
}

internal sealed record EtcdPutResponse
{
    public EtcdHeader Header { get; set; } = new();
}

internal sealed record EtcdDeleteRequest
{
    public required byte[] Key { get; init; }
    public byte[]? RangeEnd { get; init; }
}

internal sealed record EtcdDeleteResponse
{
    public EtcdHeader Header { get; set; } = new();
    public long Deleted { get; init; }
}

/// <summary>One condition of a transaction. Exactly one of the operands is set, the one that <see cref="Target"/> names.</summary>
internal sealed record EtcdCompare
{
    public required string Result { get; init; }
    public required string Target { get; init; }
    public required byte[] Key { get; init; }
    public long? Version { get; init; }
    public long? CreateRevision { get; init; }
    public long? ModRevision { get; init; }
    public byte[]? Value { get; init; }
    public long? Lease { get; init; }
}

internal sealed record EtcdRequestOp
{
    public EtcdRangeRequest? RequestRange { get; init; }
    public EtcdPutRequest? RequestPut { get; init; }
    public EtcdDeleteRequest? RequestDeleteRange { get; init; }
}

internal sealed record EtcdResponseOp
{
    public EtcdRangeResponse? ResponseRange { get; init; }
    public EtcdPutResponse? ResponsePut { get; init; }
    public EtcdDeleteResponse? ResponseDeleteRange { get; init; }
}

internal sealed record EtcdTxnRequest
{
    public EtcdCompare[] Compare { get; set; } = [];
    public EtcdRequestOp[] Success { get; set; } = [];
    public EtcdRequestOp[] Failure { get; set; } = [];
}

internal sealed record EtcdTxnResponse
{
    public EtcdHeader Header { get; set; } = new();
    public bool Succeeded { get; init; }
    public EtcdResponseOp[] Responses { get; set; } = [];
}

internal sealed record EtcdLeaseGrantRequest
{
    [JsonPropertyName("TTL")] public required long Ttl { get; init; }
    [JsonPropertyName("ID")] public long Id { get; init; }
}

internal sealed record EtcdLeaseGrantResponse
{
    public EtcdHeader Header { get; set; } = new();
    [JsonPropertyName("ID")] public long Id { get; init; }
    [JsonPropertyName("TTL")] public long Ttl { get; init; }
}

internal sealed record EtcdLeaseRequest
{
    [JsonPropertyName("ID")] public required long Id { get; init; }
    public bool Keys { get; init; }
}

internal sealed record EtcdLeaseRevokeResponse
{
    public EtcdHeader Header { get; set; } = new();
}

/// <summary>Answer to a keep-alive. A <see cref="Ttl"/> of zero (the field left out) says that the lease is gone.</summary>
internal sealed record EtcdLeaseKeepAliveResponse
{
    public EtcdHeader Header { get; set; } = new();
    [JsonPropertyName("ID")] public long Id { get; init; }
    [JsonPropertyName("TTL")] public long Ttl { get; init; }
}

/// <summary>Answer to time-to-live. A <see cref="Ttl"/> of -1 says that the lease is gone.</summary>
internal sealed record EtcdLeaseTimeToLiveResponse
{
    public EtcdHeader Header { get; set; } = new();
    [JsonPropertyName("ID")] public long Id { get; init; }
    [JsonPropertyName("TTL")] public long Ttl { get; init; }
    [JsonPropertyName("grantedTTL")] public long GrantedTtl { get; init; }
    public byte[][] Keys { get; set; } = [];
}

internal sealed record EtcdWatchRequest
{
    public required EtcdWatchCreateRequest CreateRequest { get; init; }
}

internal sealed record EtcdWatchCreateRequest
{
    public required byte[] Key { get; init; }
    public byte[]? RangeEnd { get; init; }
    public long StartRevision { get; init; }
    public bool ProgressNotify { get; init; }
}

internal sealed record EtcdWatchResponse
{
    public EtcdHeader Header { get; set; } = new();
    public long WatchId { get; init; }
    public bool Created { get; init; }
    public bool Canceled { get; init; }
    public long CompactRevision { get; init; }
    public string? CancelReason { get; init; }
    public EtcdEvent[] Events { get; set; } = [];
}

/// <param name="Type">Left out for a put, <c>DELETE</c> for a deletion or a lease's end.</param>
internal sealed record EtcdEvent
{
    public string? Type { get; init; }
    public EtcdKeyValue Kv { get; set; } = new();

    [JsonIgnore] public bool IsDelete => Type is "DELETE";
}

internal sealed record EtcdAuthenticateRequest
{
    public required string Name { get; init; }
    public required string Password { get; init; }
}

internal sealed record EtcdAuthenticateResponse
{
    public string Token { get; set; } = "";
}

internal sealed record EtcdStatusResponse
{
    public EtcdHeader Header { get; set; } = new();
    public string Version { get; set; } = "";
    public ulong Leader { get; init; }
}

internal sealed record EtcdEmpty;

/// <summary>
/// What the gateway sends instead of an answer. Unary: <c>{error, message, code}</c>. In a stream:
/// <c>{"error": {grpc_code, http_code, message}}</c>, after HTTP 200 was sent already.
/// </summary>
internal sealed record EtcdUnaryError
{
    public string Message { get; set; } = "";
    public int Code { get; init; }
}

internal sealed record EtcdStreamError
{
    public int GrpcCode { get; init; }
    public int HttpCode { get; init; }
    public string Message { get; set; } = "";
}

/// <summary>One line of a streaming answer: a result or an error.</summary>
internal sealed record EtcdStreamLine<T>
    where T : class
{
    public T? Result { get; init; }
    public EtcdStreamError? Error { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.WriteAsString)]
[JsonSerializable(typeof(EtcdRangeRequest))]
[JsonSerializable(typeof(EtcdRangeResponse))]
[JsonSerializable(typeof(EtcdPutRequest))]
[JsonSerializable(typeof(EtcdPutResponse))]
[JsonSerializable(typeof(EtcdDeleteRequest))]
[JsonSerializable(typeof(EtcdDeleteResponse))]
[JsonSerializable(typeof(EtcdTxnRequest))]
[JsonSerializable(typeof(EtcdTxnResponse))]
[JsonSerializable(typeof(EtcdLeaseGrantRequest))]
[JsonSerializable(typeof(EtcdLeaseGrantResponse))]
[JsonSerializable(typeof(EtcdLeaseRequest))]
[JsonSerializable(typeof(EtcdLeaseRevokeResponse))]
[JsonSerializable(typeof(EtcdStreamLine<EtcdLeaseKeepAliveResponse>))]
[JsonSerializable(typeof(EtcdLeaseTimeToLiveResponse))]
[JsonSerializable(typeof(EtcdWatchRequest))]
[JsonSerializable(typeof(EtcdStreamLine<EtcdWatchResponse>))]
[JsonSerializable(typeof(EtcdAuthenticateRequest))]
[JsonSerializable(typeof(EtcdAuthenticateResponse))]
[JsonSerializable(typeof(EtcdStatusResponse))]
[JsonSerializable(typeof(EtcdEmpty))]
[JsonSerializable(typeof(EtcdUnaryError))]
internal sealed partial class EtcdJson : JsonSerializerContext;
