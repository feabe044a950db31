using System.Net;
using System.Text;
using ActorLb.Cluster.Etcd;

namespace ActorLb.Tests.Cluster.Etcd;

public sealed class EtcdRefusalTests
{
    // Answers as etcd 3.4.23 gave them.
    [Theory]
    [InlineData(404, """{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}""", EtcdError.LeaseNotFound)]
    [InlineData(400, """{"error":"x","message":"etcdserver: mvcc: required revision has been compacted","code":11}""", EtcdError.Compacted)]
    [InlineData(400, """{"error":"x","message":"etcdserver: mvcc: required revision is a future revision","code":11}""", EtcdError.Compacted)]
    [InlineData(400, """{"error":"x","message":"etcdserver: user name is empty","code":3}""", EtcdError.AuthFailed)]
    [InlineData(400, """{"error":"x","message":"etcdserver: authentication failed, invalid user ID or password","code":3}""", EtcdError.AuthFailed)]
    [InlineData(403, """{"error":"x","message":"etcdserver: permission denied","code":7}""", EtcdError.AuthFailed)]
    [InlineData(401, """{"error":"x","message":"etcdserver: invalid auth token","code":16}""", EtcdError.AuthFailed)]
    [InlineData(400, """{"error":"x","message":"etcdserver: duplicate key given in txn request","code":3}""", EtcdError.Rejected)]
    [InlineData(503, """{"error":"x","message":"etcdserver: request timed out","code":14}""", EtcdError.OutcomeUnknown)]
    [InlineData(500, """{"error":"x","message":"context deadline exceeded","code":2}""", EtcdError.OutcomeUnknown)]
    [InlineData(503, """{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}""", EtcdError.Unavailable)]
    [InlineData(502, "<html>Bad Gateway</html>", EtcdError.OutcomeUnknown)]
    [InlineData(404, "Not Found", EtcdError.Protocol)]
    [InlineData(200, "[1,2", EtcdError.Protocol)]
    [InlineData(500, """{"message":7,"code":"x"}""", EtcdError.OutcomeUnknown)]
    [InlineData(500, "", EtcdError.OutcomeUnknown)]
    public void Classify_OfAWrite_TellsWhatTheCallerMayDo(int status, string body, object expected) =>
        Assert.Equal((EtcdError)expected, Read(status, body).Classify(write: true));

    [Theory]
    [InlineData(503, """{"error":"x","message":"etcdserver: request timed out","code":14}""")]
    [InlineData(500, """{"error":"x","message":"context deadline exceeded","code":2}""")]
    [InlineData(502, "<html>Bad Gateway</html>")]
    public void Classify_OfARead_IsNeverOfUnknownOutcome(int status, string body) =>
        Assert.Equal(EtcdError.Unavailable, Read(status, body).Classify(write: false));

    [Fact]
    public void ToException_NamesCallEndpointAndReason_AndIsShort()
    {
        var error = Read(400, $$"""{"message":"{{new string('x', 5000)}}","code":3}""").ToException("put", new Uri("http://10.0.0.1:2379"), write: true);
        Assert.StartsWith("etcd put at 10.0.0.1:2379: xxx", error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Length < 300);
    }

    private static EtcdRefusal Read(int status, string body) => EtcdRefusal.Read((HttpStatusCode)status, Encoding.UTF8.GetBytes(body));
}
