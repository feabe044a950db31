using System.Net;
using System.Text;
using System.Text.Json;
using ActorLb.Cluster.Etcd;
using ActorLb.Testing;

namespace ActorLb.SystemTests.Cluster;

/// <summary>What etcd's JSON gateway does, as the client relies on it. A newer etcd that does otherwise shows here first.</summary>
public sealed class EtcdGatewayTests(EtcdStoreTests.Server server) : IClassFixture<EtcdStoreTests.Server>
{
    private static readonly HttpClient Http = new();

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;

    [Fact]
    public async Task ClearText_Http2_IsNotTheGateway()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Etcd.Members[0].Client, "/v3/kv/range"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent("""{"key":"YQ=="}"""),
        };
        await Assert.ThrowsAnyAsync<HttpRequestException>(async () => (await Http.SendAsync(request, Soon)).EnsureSuccessStatusCode());
    }

    [Fact]
    public async Task ZeroFields_AreLeftOut_AndReadAsZero()
    {
        var json = await PostAsync("/v3/kv/range", """{"key":"bm8tc3VjaC1rZXk="}""");
        Assert.DoesNotContain("kvs", json, StringComparison.Ordinal);
        Assert.DoesNotContain("count", json, StringComparison.Ordinal);
        using var client = Client();
        var range = await client.RangeAsync(new EtcdRangeRequest { Key = "no-such-key"u8.ToArray() }, Soon);
        Assert.Empty(range.Kvs);
        Assert.Equal(0, range.Count);
        await client.PutAsync(new EtcdPutRequest { Key = "empty"u8.ToArray() }, Soon);
        Assert.Empty((await client.RangeAsync(new EtcdRangeRequest { Key = "empty"u8.ToArray() }, Soon)).Kvs[0].Value);
        var unmet = new EtcdCompare { Key = "empty"u8.ToArray(), Target = "CREATE", Result = "EQUAL", CreateRevision = 0 };
        Assert.False((await client.TxnAsync(new EtcdTxnRequest { Compare = [unmet] }, Soon)).Succeeded);
    }

    [Fact]
    public async Task Numbers_Of64Bits_AreStrings()
    {
        using var document = JsonDocument.Parse(await PostAsync("/v3/kv/range", """{"key":"YQ=="}"""));
        Assert.Equal(JsonValueKind.String, document.RootElement.GetProperty("header").GetProperty("revision").ValueKind);
    }

    [Fact]
    public async Task Stream_SendsOneObjectALineWithTheResultInside()
    {
        var json = await PostAsync("/v3/lease/keepalive", """{"ID":"1"}""");
        Assert.StartsWith("{\"result\":{", json, StringComparison.Ordinal);
        Assert.EndsWith("}}\n", json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task KeepAlive_OfALostLease_Answers200WithoutTtl()
    {
        var json = await PostAsync("/v3/lease/keepalive", """{"ID":"987654321"}""");
        Assert.DoesNotContain("TTL", json, StringComparison.Ordinal);
        using var client = Client();
        Assert.Equal(0, await client.LeaseKeepAliveAsync(987654321, Soon));
    }

    [Fact]
    public async Task Lease_TimeToLive_IsWhatWasGrantedUntilItIsGone()
    {
        using var client = Client();
        var lease = await client.LeaseGrantAsync(60, Soon);
        Assert.Equal(60, lease.Ttl);
        Assert.InRange((await client.LeaseTimeToLiveAsync(lease.Id, Soon))!.Value, 50, 60);
        Assert.Equal(60, await client.LeaseKeepAliveAsync(lease.Id, Soon));
        Assert.True(await client.LeaseRevokeAsync(lease.Id, Soon));
        Assert.Null(await client.LeaseTimeToLiveAsync(lease.Id, Soon));
        Assert.False(await client.LeaseRevokeAsync(lease.Id, Soon));
    }

    [Fact]
    public async Task UnknownLease_RefusesTheWrite()
    {
        using var client = Client();
        var error = await FailsAsync(client.PutAsync(new EtcdPutRequest { Key = "k"u8.ToArray(), Lease = 4711 }, Soon));
        Assert.Equal(EtcdError.LeaseNotFound, error.Error);
    }

    [Fact]
    public async Task Range_AtACompactedRevision_AnswersCode11()
    {
        using var client = Client();
        await client.PutAsync(new EtcdPutRequest { Key = "c"u8.ToArray() }, Soon);
        var last = (await client.PutAsync(new EtcdPutRequest { Key = "c"u8.ToArray() }, Soon)).Header.Revision;
        await server.Etcd.Members[0].ControlAsync("compact", $"{last}");
        var error = await FailsAsync(client.RangeAsync(new EtcdRangeRequest { Key = "c"u8.ToArray(), Revision = last - 1 }, Soon));
        Assert.Equal(EtcdError.Compacted, error.Error);
        Assert.Contains("\"code\":11", await PostAsync("/v3/kv/range", $$"""{"key":"Yw==","revision":"{{last - 1}}"}"""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_FromACompactedRevision_SaysCanceledAndStaysOpen()
    {
        using var client = Client();
        await client.PutAsync(new EtcdPutRequest { Key = "w"u8.ToArray() }, Soon);
        var last = (await client.PutAsync(new EtcdPutRequest { Key = "w"u8.ToArray() }, Soon)).Header.Revision;
        await server.Etcd.Members[0].ControlAsync("compact", $"{last}");
        await using var watch = await client.WatchAtAsync(0, new EtcdWatchCreateRequest { Key = "w"u8.ToArray(), StartRevision = last - 1 }, Soon);
        Assert.True((await watch.ReadAsync(Soon)).Created);
        var end = await watch.ReadAsync(Soon);
        Assert.True(end.Canceled);
        Assert.Equal(last, end.CompactRevision);
        var more = watch.ReadAsync(Soon).AsTask();
        await client.PutAsync(new EtcdPutRequest { Key = "w"u8.ToArray() }, Soon);
        Assert.False(more.IsCompleted);
    }

    [Fact]
    public async Task Transaction_Over128OperationsOrAKeyTwice_IsRejected()
    {
        using var client = Client();
        EtcdRequestOp Put(int i) => new() { RequestPut = new EtcdPutRequest { Key = Encoding.UTF8.GetBytes($"t{i}") } };
        var tooMany = await FailsAsync(client.TxnAsync(new EtcdTxnRequest { Success = [.. Enumerable.Range(0, 129).Select(Put)] }, Soon));
        Assert.Equal(EtcdError.Rejected, tooMany.Error);
        var twice = await FailsAsync(client.TxnAsync(new EtcdTxnRequest { Success = [Put(1), Put(1)] }, Soon));
        Assert.Equal(EtcdError.Rejected, twice.Error);
        Assert.Contains("duplicate key", twice.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_OverItsSizeLimit_IsRejected()
    {
        using var client = Client();
        var error = await FailsAsync(client.PutAsync(new EtcdPutRequest { Key = "big"u8.ToArray(), Value = new byte[1_600_000] }, Soon));
        Assert.Equal(EtcdError.Rejected, error.Error);
        Assert.Contains("too large", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_NotInBase64ButOfItsLetters_IsAcceptedSilently()
    {
        // "node" is four letters of base64, so another key is written than meant: the client encodes every key.
        await PostAsync("/v3/kv/put", """{"key":"node"}""");
        using var client = Client();
        Assert.Single((await client.RangeAsync(new EtcdRangeRequest { Key = Convert.FromBase64String("node") }, Soon)).Kvs);
        Assert.Empty((await client.RangeAsync(new EtcdRangeRequest { Key = "node"u8.ToArray() }, Soon)).Kvs);
    }

    [Fact]
    public async Task Delete_OfARange_TellsHowMany()
    {
        using var client = Client();
        await client.PutAsync(new EtcdPutRequest { Key = "d/1"u8.ToArray() }, Soon);
        await client.PutAsync(new EtcdPutRequest { Key = "d/2"u8.ToArray() }, Soon);
        var key = "d/"u8.ToArray();
        Assert.Equal(2, (await client.DeleteAsync(new EtcdDeleteRequest { Key = key, RangeEnd = EtcdKeys.EndOf(key) }, Soon)).Deleted);
        Assert.Equal(0, (await client.DeleteAsync(new EtcdDeleteRequest { Key = key, RangeEnd = EtcdKeys.EndOf(key) }, Soon)).Deleted);
    }

    private EtcdClient Client() => new(server.Etcd.Options(), TimeProvider.System, new Random(1));

    private static Task<EtcdException> FailsAsync(Task call) => Assert.ThrowsAsync<EtcdException>(() => call);

    private async Task<string> PostAsync(string path, string json)
    {
        using var content = new StringContent(json);
        using var response = await Http.PostAsync(new Uri(server.Etcd.Members[0].Client, path), content, Soon);
        return await response.Content.ReadAsStringAsync(Soon);
    }
}
