using System.Text;
using System.Text.Json;
using ActorLb.Configuration;

namespace ActorLb.Cluster.Etcd;

/// <summary>
/// Calls to an etcd cluster over its JSON gateway. A call goes to one member, and to the next ones when that one cannot have
/// carried it out; every call has a time-out of its own. Failures are <see cref="EtcdException"/>s.
/// </summary>
internal sealed class EtcdClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly EtcdAuth _auth;
    private readonly TimeProvider _time;

    /// <exception cref="InvalidOperationException">A certificate file is missing or unusable.</exception>
    public EtcdClient(EtcdOptions options, TimeProvider time, Random random)
    {
        Endpoints = new EtcdEndpoints(options.Endpoints, time, random);
        _http = EtcdHttp.Create(options);
        _auth = new EtcdAuth(options);
        _time = time;
    }

    public EtcdEndpoints Endpoints { get; }

    public Task<EtcdRangeResponse> RangeAsync(EtcdRangeRequest request, CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.Range, request, cancellationToken);

    public Task<EtcdPutResponse> PutAsync(EtcdPutRequest request, CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.Put, request, cancellationToken);

    public Task<EtcdDeleteResponse> DeleteAsync(EtcdDeleteRequest request, CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.Delete, request, cancellationToken);

    public Task<EtcdTxnResponse> TxnAsync(EtcdTxnRequest request, CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.Txn, request, cancellationToken);

    /// <param name="seconds">Time to live; etcd raises it to its own minimum, which follows its election time-out.</param>
    public Task<EtcdLeaseGrantResponse> LeaseGrantAsync(long seconds, CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.LeaseGrant, new EtcdLeaseGrantRequest { Ttl = seconds }, cancellationToken);

    /// <summary>Renews a lease.</summary>
    /// <returns>The time to live in seconds; 0 when the lease is gone.</returns>
    public async Task<long> LeaseKeepAliveAsync(long lease, CancellationToken cancellationToken)
    {
        var line = await CallAsync(EtcdCalls.LeaseKeepAlive, new EtcdLeaseRequest { Id = lease }, cancellationToken);
        return line.Result?.Ttl ?? 0;
    }

    /// <returns>False when the lease was gone already, by its time or by an earlier try whose answer was lost.</returns>
    public async Task<bool> LeaseRevokeAsync(long lease, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(EtcdCalls.LeaseRevoke, new EtcdLeaseRequest { Id = lease }, cancellationToken);
            return true;
        }
        catch (EtcdException e) when (e.Error == EtcdError.LeaseNotFound)
        {
            return false;
        }
    }

    /// <returns>Seconds left, or null when the lease is gone.</returns>
    public async Task<long?> LeaseTimeToLiveAsync(long lease, CancellationToken cancellationToken)
    {
        var answer = await CallAsync(EtcdCalls.LeaseTimeToLive, new EtcdLeaseRequest { Id = lease }, cancellationToken);
        return answer.Ttl < 0 ? null : answer.Ttl;
    }

    public Task<EtcdStatusResponse> StatusAsync(CancellationToken cancellationToken) =>
        CallAsync(EtcdCalls.Status, new EtcdEmpty(), cancellationToken);

    /// <summary>One call, tried on each member at most once.</summary>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        EtcdCall<TRequest, TResponse> call, TRequest request, CancellationToken cancellationToken)
    {
        ulong tried = 0;
        EtcdException? last = null;
        StringBuilder? reasons = null;
        for (int member; (member = Endpoints.Pick(tried)) >= 0; tried |= 1UL << member)
        {
            try
            {
                return await CallAtAsync(member, call, request, cancellationToken);
            }
            catch (EtcdException e) when (e.Error == EtcdError.Unavailable || (e.Error == EtcdError.Protocol && call.Repeatable))
            {
                last = e;
                reasons = reasons is null ? new StringBuilder(e.Message) : reasons.Append("; ").Append(e.Message);
            }
        }

        throw Endpoints.Uris.Length == 1 ? last! : new EtcdException(EtcdError.Unavailable, $"no etcd member answered: {reasons}", last);
    }

    /// <summary>One call to one member, with a log-in where needed. The verdict on the member is remembered.</summary>
    public async Task<TResponse> CallAtAsync<TRequest, TResponse>(
        int member, EtcdCall<TRequest, TResponse> call, TRequest request, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(request, call.Request);
        var token = await TokenAsync(member, null, cancellationToken);
        for (var again = false; ; again = true)
        {
            var (answer, refusal) = await SendAsync(member, call, json, token, cancellationToken);
            if (refusal is null)
            {
                return answer!;
            }

            if (again || !CanLogIn(refusal))
            {
                throw refusal.ToException(call.Name, Endpoints.Uris[member], !call.Repeatable);
            }

            token = await TokenAsync(member, token ?? "", cancellationToken);
        }
    }

    /// <summary>Opens a watch on one member.</summary>
    public async Task<EtcdWatchStream> WatchAtAsync(int member, EtcdWatchCreateRequest request, CancellationToken cancellationToken)
    {
        var endpoint = Endpoints.Uris[member];
        var json = JsonSerializer.SerializeToUtf8Bytes(new EtcdWatchRequest { CreateRequest = request }, EtcdJson.Default.EtcdWatchRequest);
        var token = await TokenAsync(member, null, cancellationToken);
        for (var again = false; ; again = true)
        {
            var (stream, refusal) = await EtcdWatchStream.OpenAsync(_http, endpoint, json, token, _time, cancellationToken);
            if (refusal is null)
            {
                return stream!;
            }

            if (again || !CanLogIn(refusal))
            {
                throw refusal.ToException("watch", endpoint, write: false);
            }

            token = await TokenAsync(member, token ?? "", cancellationToken);
        }
    }

    public void Dispose() => _http.Dispose();

    private bool CanLogIn(EtcdRefusal refusal) =>
        (_auth.HasUser && refusal.IsTokenRefused) || (refusal.IsUserMissing && _auth.BecameNeeded());

    private ValueTask<string?> TokenAsync(int member, string? refused, CancellationToken cancellationToken) =>
        _auth.TokenAsync(refused, (request, ct) => LogInAsync(member, request, ct), cancellationToken);

    private async Task<EtcdAuthenticateResponse> LogInAsync(int member, EtcdAuthenticateRequest request, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(request, EtcdJson.Default.EtcdAuthenticateRequest);
        var (answer, refusal) = await SendAsync(member, EtcdCalls.Authenticate, json, null, cancellationToken);
        return refusal is null ? answer! : throw refusal.ToException($"log-in of user \"{request.Name}\"", Endpoints.Uris[member], write: false);
    }

    private async Task<(TResponse? Answer, EtcdRefusal? Refusal)> SendAsync<TRequest, TResponse>(
        int member, EtcdCall<TRequest, TResponse> call, byte[] json, string? token, CancellationToken cancellationToken)
    {
        var endpoint = Endpoints.Uris[member];
        var body = new EtcdHttp.Body(json, call.Repeatable);
        using var timeout = new CancellationTokenSource(call.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            using var request = EtcdHttp.Request(endpoint, call.Path, body, token, requireLeader: false);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead, either.Token);
            var bytes = await response.Content.ReadAsByteArrayAsync(either.Token);
            if (!response.IsSuccessStatusCode || EtcdRefusal.IsIn(bytes))
            {
                var refusal = EtcdRefusal.Read(response.StatusCode, bytes);
                Judge(member, refusal.Classify(!call.Repeatable) is not (EtcdError.Unavailable or EtcdError.OutcomeUnknown));
                return (default, refusal);
            }

            var answer = JsonSerializer.Deserialize(bytes, call.Response);
            Judge(member, good: true);
            return (answer ?? throw new JsonException("null"), null);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Judge(member, good: false);
            var error = !call.Repeatable && body.Started ? EtcdError.OutcomeUnknown : EtcdError.Unavailable;
            throw new EtcdException(error, $"etcd {call.Name} at {endpoint.Authority}: {Reason(e, call.Timeout)}", e);
        }
        catch (JsonException e)
        {
            Judge(member, good: false);
            throw new EtcdException(EtcdError.Protocol, $"etcd {call.Name} at {endpoint.Authority}: not an answer of etcd's JSON gateway ({e.Message})", e);
        }
    }

    private void Judge(int member, bool good)
    {
        if (good)
        {
            Endpoints.Succeeded(member);
        }
        else
        {
            Endpoints.Failed(member);
        }
    }

    /// <summary>The innermost cause: HttpClient wraps a refused connection or certificate in general words.</summary>
    internal static string Reason(Exception e, TimeSpan timeout) =>
        e is OperationCanceledException ? $"no answer within {timeout.TotalSeconds:0.#} s" : e.GetBaseException().Message;
}
