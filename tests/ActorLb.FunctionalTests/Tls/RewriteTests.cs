using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Fields of the CONNECT from the client's certificate.</summary>
public sealed class RewriteTests : IAsyncDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificate _server;
    private readonly TestCertificate _device;
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);

    public RewriteTests()
    {
        _server = _ca.Server(["localhost"]);
        _device = _ca.Client("CN=device-7, O=Example, C=DE", serial: [0x0A, 0xBC, 0x01]);
    }

    public async ValueTask DisposeAsync()
    {
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task ClientId_BySerial_ReplacesItAndLeavesTheRest(int version)
    {
        await using var node = await Start("rewrite { client-id = \"$ssl_client_serial\" }");
        byte[]? properties = version == 5 ? new byte[] { 0x11, 0, 0, 0, 60 } : null;
        await Send(node, ConnectBytes.Of(version, "whatever it says", 77, "user", "password", properties));

        Assert.Equal(ConnectBytes.Of(version, "0ABC01", 77, "user", "password", properties), await Arrived());
    }

    [Fact]
    public async Task ClientId_BySubject_IsTheNameThatOpenSslPrints()
    {
        await using var node = await Start("rewrite { client-id = \"$ssl_client_s_dn\" }");
        await Send(node, ConnectBytes.V311("x"));

        var printed = await ProcessHost.RunAsync("openssl", ["x509", "-in", _device.CertificatePath, "-noout", "-subject", "-nameopt", "RFC2253"]);
        string subject = printed.Lines[0]["subject=".Length..];
        Assert.Contains("CN=device-7", subject, StringComparison.Ordinal);
        Assert.Equal(ConnectBytes.V311(subject), await Arrived());
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task UserNameAndPassword_ByTemplates_ReplaceOrAddThem(int version)
    {
        await using var node = await Start("rewrite { username = \"$ssl_client_s_dn_cn@$ssl_protocol\", password = \"pa$$word\" }");
        await Send(node, ConnectBytes.Of(version, "a"));
        Assert.Equal(ConnectBytes.Of(version, "a", user: "device-7@TLSv1.3", password: "pa$word"), await Arrived());
        await Send(node, ConnectBytes.Of(version, "a", user: "u", password: "p"));
        Assert.Equal(ConnectBytes.Of(version, "a", user: "device-7@TLSv1.3", password: "pa$word"), await Arrived());
    }

    [Theory]
    [InlineData("password = remove", 4, "u", null)]
    [InlineData("password = remove", 5, "u", null)]
    [InlineData("username = remove", 4, null, null)]
    [InlineData("username = remove", 5, null, "p")]
    [InlineData("username = remove, password = remove", 5, null, null)]
    [InlineData("client-id = \"$mqtt_preread_username\", username = \"remove\"", 3, null, null)]
    public async Task Removed_Fields_NeverReachTheBroker(string rewrite, int version, string? user, string? password)
    {
        await using var node = await Start($"rewrite {{ {rewrite} }}");
        await Send(node, ConnectBytes.Of(version, "u", user: "u", password: "p"));
        Assert.Equal(ConnectBytes.Of(version, "u", user: user, password: password), await Arrived());
        await Send(node, ConnectBytes.Of(version, "u", user: "u"));
        Assert.Equal(ConnectBytes.Of(version, "u", user: user), await Arrived());
    }

    [Theory]
    [InlineData(4, new byte[] { 0x20, 2, 0, 2 })]
    [InlineData(5, new byte[] { 0x20, 3, 0, 0x85, 0 })]
    public async Task ClientId_OfClientWithoutCertificate_IsEmptyAndRefused(int version, byte[] answer)
    {
        await using var node = await Start("rewrite { client-id = \"$ssl_client_serial\" }", "optional");
        Assert.Equal(answer, await Ask(node, ConnectBytes.Of(version, "a"), null));
        await node.UntilClosedAsync(CloseReason.RewriteFailed);
        await node.Log.LineAsync(l => l.Text.EndsWith("rewrite failed: the new client id is empty", StringComparison.Ordinal));
        Assert.Equal(0, _broker.Accepted);
    }

    [Theory]
    [InlineData("client-id = \"dev-$mqtt_preread_clientid\"", "", null, 0x85, "a variable of the new client id is empty")]
    [InlineData("client-id = \"$mqtt_preread_username/x\"", "a", null, 0x85, "a variable of the new client id is empty")]
    [InlineData("username = \"cn:$ssl_client_s_dn_cn\"", "a", "cn:admin", 0x86, "a variable of the new user name is empty")]
    [InlineData("username = \"$ssl_client_s_dn_cn\"", "a", "admin", 0x86, "the new user name is empty")]
    [InlineData("password = \"x$ssl_client_serial\"", "a", "u", 0x86, "a variable of the new password is empty")]
    public async Task Template_WithAnEmptyVariable_RefusesTheClient(string rewrite, string id, string? user, byte code, string reason)
    {
        await using var node = await Start($"rewrite {{ {rewrite} }}", "optional");
        Assert.Equal([0x20, 3, 0, code, 0], await Ask(node, ConnectBytes.Of(5, id, user: user), null));
        await node.UntilClosedAsync(CloseReason.RewriteFailed);
        await node.Log.LineAsync(l => l.Text.EndsWith("rewrite failed: " + reason, StringComparison.Ordinal));
        Assert.Equal(0, _broker.Accepted);
    }

    [Fact]
    public async Task RequireClientId_WithAnEmptyVariable_MatchesNobody()
    {
        await using var node = await Start("require-client-id = \"dev-$ssl_client_s_dn_cn\"", "optional");
        Assert.Equal([0x20, 2, 0, 2], await Ask(node, ConnectBytes.V311("dev-"), null));
        Assert.Equal(0, _broker.Accepted);
    }

    [Fact]
    public async Task HashKey_OfEmptyVariablesAlone_GoesInTurn()
    {
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker, other) + "balance = hash, hash-key = \"u:$mqtt_preread_username\"", TlsListener.With(_server));
        for (int i = 0; i < 6; i++) await Send(node, ConnectBytes.V311($"c{i}"));
        Assert.Equal((3, 3), (_broker.Accepted, other.Accepted));
    }

    [Theory]
    [InlineData(32_767, true)]
    [InlineData(32_768, false)]
    public async Task ClientId_OfTheLongestLengthAndOneMore_PassesAndIsRefused(int length, bool passes)
    {
        await using var node = await Start("rewrite { client-id = \"+$mqtt_preread_clientid$mqtt_preread_clientid\" }");
        string id = new string('i', length);
        if (passes)
        {
            await Send(node, ConnectBytes.V5(id));
            Assert.Equal(ConnectBytes.V5("+" + id + id), await Arrived());
            return;
        }

        Assert.Equal([0x20, 3, 0, 0x85, 0], await Ask(node, ConnectBytes.V5(id), _device));
        await node.Log.LineAsync(l => l.Text.EndsWith("rewrite failed: the client id is too long", StringComparison.Ordinal));
        Assert.Equal(0, _broker.Accepted);
    }

    [Theory]
    [InlineData(4, new byte[] { 0x20, 2, 0, 2 })]
    [InlineData(5, new byte[] { 0x20, 3, 0, 0x85, 0 })]
    public async Task RequireClientId_NotTheOneOfTheCertificate_IsRefused(int version, byte[] answer)
    {
        await using var node = await Start("require-client-id = \"$ssl_client_s_dn_cn\"");
        await Send(node, ConnectBytes.Of(version, "device-7"));
        Assert.Equal(ConnectBytes.Of(version, "device-7"), await Arrived());
        Assert.Equal(answer, await Ask(node, ConnectBytes.Of(version, "device-8"), _device));
        await node.UntilClosedAsync(CloseReason.ClientIdMismatch);
        Assert.Equal(1, _broker.Accepted);
    }

    [Fact]
    public async Task RequireClientId_LongAndEqual_IsAccepted()
    {
        await using var node = await Start("require-client-id = \"$mqtt_preread_clientid\"");
        byte[] connect = ConnectBytes.V5(new string('i', 30_000));
        await Send(node, connect);
        Assert.Equal(connect, await Arrived());
    }

    [Fact]
    public async Task StickyKey_OfRewrittenClient_IsTheNewClientId()
    {
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var third = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker, other, third) + "balance = sticky, place = round-robin",
            TlsListener.Verifying(_server, _ca) + "rewrite { client-id = \"$ssl_client_serial\" }");
        foreach (string? id in new[] { "a", "b", "c", "d" })
        {
            await Send(node, ConnectBytes.V311(id));
        }

        Assert.Equal([0, 0, 4], new[] { _broker, other, third }.Select(b => b.Accepted).Order());
    }

    private Task<TestNode> Start(string listener, string verify = "on") =>
        TestNode.StartAsync(TestNode.Backends(_broker), TlsListener.Verifying(_server, _ca, verify) + listener);

    private async Task Send(TestNode node, byte[] connect)
    {
        byte[] answer = await Ask(node, connect, _device);
        Assert.Equal(0, answer[3]);
    }

    private static async Task<byte[]> Ask(TestNode node, byte[] connect, TestCertificate? device)
    {
        await using var client = await SecureClient.ConnectAsync(node.EndPoint, device?.Certificate);
        await client.SendAsync(connect);
        return await client.ReadAsync(ConnectBytes.LevelOf(connect) == 5 ? 5 : 4);
    }

    private async Task<byte[]> Arrived()
    {
        var connection = await _broker.NextConnectionAsync();
        await connection.Ended;
        return connection.Received;
    }
}
