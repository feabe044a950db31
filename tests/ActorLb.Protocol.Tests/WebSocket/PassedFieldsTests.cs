using System.Text;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Protocol.Tests.WebSocket;

/// <summary>What of a client's upgrade request reaches a WebSocket backend, and what does not.</summary>
public sealed class PassedFieldsTests
{
    private static readonly PassedFields Passed = new("Authorization", "Cookie", "Origin", "User-Agent", "X-Tenant");

    [Fact]
    public void Fields_Named_GoOnAsTheyAreAndNoOthers() => Assert.Equal(
        ["authorization: Basic YTpi", "Origin: https://a.example", "User-Agent: x/1 (y)", "X-Tenant: 1", "X-Tenant: 2"],
        Written("authorization:Basic YTpi\r\nOrigin: https://a.example\r\nUser-Agent:\t x/1 (y) \r\nX-Tenant: 1\r\nX-Secret: no\r\nX-Tenant: 2\r\nX-TenantX: no"));

    [Fact]
    public void Cookies_OfSeveralFields_GoOnAsOne() =>
        Assert.Equal(["Cookie: a=1; b=2; c=3"], Written("Cookie: a=1; b=2\r\nX: y\r\ncookie:\r\nCOOKIE: c=3"));

    [Theory]
    [InlineData("Authorization: Basic YTpi\r\nConnection: Authorization")]
    [InlineData("Connection: close, user-agent , x\r\nUser-Agent: x")]
    public void Fields_ThatConnectionNames_EndHere(string fields) => Assert.Empty(Written(fields));

    [Theory]
    [InlineData("X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nREMOTE-HOST: 1.2.3.4\r\nForwarded: for=1.2.3.4", false, "192.0.2.9", "192.0.2.9", null)]
    [InlineData("X-Forwarded-For: 1.2.3.4", true, "1.2.3.4", "1.2.3.4, 192.0.2.9", null)]
    [InlineData("X-Forwarded-For: 6.6.6.6, 2001:db8::1\r\nx-forwarded-for:\r\nX-Forwarded-For: 1.2.3.4", true, "1.2.3.4", "6.6.6.6, 2001:db8::1, 1.2.3.4, 192.0.2.9", null)]
    [InlineData("X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 1.2.3.4", true, "1.2.3.4", "6.6.6.6, 192.0.2.9", null)]
    [InlineData("X-Forwarded-For: unknown\r\nX-Real-IP: lo.example", true, "192.0.2.9", "unknown, 192.0.2.9", null)]
    [InlineData("Forwarded: for=1.2.3.4;proto=https\r\nForwarded: for=_x", true, "192.0.2.9", "192.0.2.9", "for=1.2.3.4;proto=https, for=_x, for=192.0.2.9")]
    [InlineData("X-Other: 1", true, "192.0.2.9", "192.0.2.9", null)]
    public void Addresses_AreTheConnectionsUnlessTheSenderIsBelieved(string fields, bool believed, string client, string chain, string? forwarded) =>
        Assert.Equal(
            (string[])[$"X-Real-IP: {client}", $"REMOTE-HOST: {client}", $"X-Forwarded-For: {chain}", .. forwarded is null ? (string[])[] : [$"Forwarded: {forwarded}"]],
            Written(fields, believed, "192.0.2.9"));

    [Fact]
    public void Forwarded_OfV6Address_IsQuoted() =>
        Assert.Equal("Forwarded: for=a, for=\"[2001:db8::9]\"", Written("Forwarded: for=a", believed: true, "2001:db8::9")[^1]);

    [Theory]
    [InlineData("/mqtt", "token=a%20b&c", "/mqtt?token=a%20b&c")]
    [InlineData("/mqtt?x=1", "y=2?", "/mqtt?x=1&y=2?")]
    [InlineData("/mqtt", "", "/mqtt")]
    public void Query_GoesBehindThePath(string path, string query, string expected)
    {
        var values = Values("X: y", path: path, query: query);
        Assert.StartsWith($"GET {expected} HTTP/1.1\r\n", Write(values), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Cookie", true, false)]
    [InlineData("X-Tenant", true, false)]
    [InlineData("connection", true, true)]
    [InlineData("sec-websocket-key", true, true)]
    [InlineData("x-forwarded-for", true, true)]
    [InlineData("Proxy-Authorization", true, true)]
    [InlineData("a b", false, false)]
    [InlineData("a:", false, false)]
    [InlineData("a\r\nb", false, false)]
    [InlineData("", false, false)]
    [InlineData("\u00fc", false, false)]
    public void Names_AreTokensAndSomeAreTheBalancers(string name, bool valid, bool own) =>
        Assert.Equal((valid, own), (PassedFields.IsName(name), PassedFields.IsOwn(name)));

    [Fact]
    public void Write_OfTheFullestHead_StaysWithinItsBound()
    {
        // No space behind the colons: each field grows by one.
        string fields = string.Join("\r\n", Enumerable.Repeat("X-Tenant:", 60).Append("X-Forwarded-For:1.2.3.4").Append("Forwarded:a"));
        var values = Values(fields, believed: true, address: "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
        Assert.Equal(60, Write(values).Split("\r\nX-Tenant: ").Length - 1);
    }

    /// <summary>The fields that were passed on or made of the client's.</summary>
    private static string[] Written(string fields, bool believed = false, string address = "")
    {
        string[] lines = Write(Values(fields, believed, address)).Split("\r\n");
        return lines[(Array.FindIndex(lines, l => l.StartsWith("Sec-WebSocket-Protocol", StringComparison.Ordinal)) + 1)..^2];
    }

    private static string Write(UpgradeRequestValues values)
    {
        byte[] buffer = new byte[UpgradeRequestWriter.MaxLength(values)];
        string written = Encoding.ASCII.GetString(buffer.AsSpan(0, UpgradeRequestWriter.Write(buffer, values)));
        Assert.EndsWith("\r\n\r\n", written, StringComparison.Ordinal);
        return written;
    }

    private static UpgradeRequestValues Values(string fields, bool believed = false, string address = "", string path = "/mqtt", string query = "")
    {
        byte[] head = Encoding.ASCII.GetBytes(MalformedUpgrades.Valid[..^2] + fields + "\r\n\r\n");
        Assert.Equal(
            ReadStatus.Done, UpgradeRequestReader.Read(head, new UpgradeRules(MalformedUpgrades.Path), out var request, out var error));
        Assert.Equal(UpgradeError.None, error);
        return new UpgradeRequestValues
        {
            Path = Encoding.ASCII.GetBytes(path),
            Query = Encoding.ASCII.GetBytes(query),
            Host = "h"u8,
            Key = "dGhlIHNhbXBsZSBub25jZQ=="u8,
            Subprotocol = MqttSubprotocol.Mqtt,
            RemoteAddress = Encoding.ASCII.GetBytes(address),
            Client = head,
            ClientRequest = request,
            Passed = Passed,
            IsBelieved = believed,
        };
    }
}
