using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Every variable, as the broker gets it in a rewritten user name: against what the client's own side knows.</summary>
public sealed class VariableTests : IAsyncDisposable
{
    private static readonly Dictionary<string, Func<SecureClient, TestCertificate, string>> OfTheSession = new(StringComparer.Ordinal)
    {
        ["ssl_client_serial"] = (_, _) => "0ABC01",
        ["ssl_client_s_dn"] = (_, _) => "CN=device-7,O=Example,C=DE",
        ["ssl_client_s_dn_cn"] = (_, _) => "device-7",
        ["ssl_client_fingerprint"] = (_, device) => device.Certificate.GetCertHashString(HashAlgorithmName.SHA1).ToLowerInvariant(),
        ["ssl_server_name"] = (_, _) => "mqtt.example.com",
        ["ssl_protocol"] = (client, _) => client.Stream.SslProtocol == SslProtocols.Tls13 ? "TLSv1.3" : "TLSv1.2",
        ["ssl_cipher"] = (client, _) => client.Stream.NegotiatedCipherSuite.ToString(),
    };

    private static readonly Dictionary<string, Func<IPEndPoint, IPEndPoint, string>> OfAnyConnection = new(StringComparer.Ordinal)
    {
        ["mqtt_preread_clientid"] = (_, _) => "sensor",
        ["mqtt_preread_username"] = (_, _) => "ann",
        ["remote_addr"] = (own, _) => own.Address.ToString(),
        ["remote_port"] = (own, _) => $"{own.Port}",
        ["server_addr"] = (_, server) => server.Address.ToString(),
        ["server_port"] = (_, server) => $"{server.Port}",
    };

    private static readonly byte[] Connect = ConnectBytes.Of(4, "sensor", user: "ann", password: "secret");

    private readonly TestCertificates _ca = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);

    public static TheoryData<string> Names => [.. OfAnyConnection.Keys.Concat(OfTheSession.Keys)];

    public static TheoryData<string> PlainNames => [.. OfAnyConnection.Keys];

    public async ValueTask DisposeAsync()
    {
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Fact]
    public void Names_AreAllThatThereAre() => Assert.Equal(Enum.GetValues<Variable>().Length, Names.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Variable_OverTls_HasItsValue(string name)
    {
        var device = _ca.Client("CN=device-7, O=Example, C=DE", serial: [0x0A, 0xBC, 0x01]);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), TlsListener.Verifying(_ca.Server(["mqtt.example.com"]), _ca) + Rewrite(name));
        await using var client = await SecureClient.ConnectAsync(node.EndPoint, device.Certificate, name: "mqtt.example.com");
        await client.SendAsync(Connect);
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        var own = (IPEndPoint)client.Socket.LocalEndPoint!;
        await ArrivedAsync(OfTheSession.TryGetValue(name, out var value) ? value(client, device) : OfAnyConnection[name](own, node.EndPoint));
    }

    /// <summary>Those of TLS are refused with the configuration here.</summary>
    [Theory]
    [MemberData(nameof(PlainNames))]
    public async Task Variable_WithoutTls_HasItsValue(string name)
    {
        await using var node = await TestNode.StartAsync(TestNode.Backends(_broker), Rewrite(name));
        using var client = await node.DialAsync();
        await client.SendAsync(Connect);
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        await ArrivedAsync(OfAnyConnection[name](client.Local, node.EndPoint));
    }

    private static string Rewrite(string name) => $"rewrite.username = \"<${{{name}}}>\"\n";

    private async Task ArrivedAsync(string value)
    {
        byte[] expected = ConnectBytes.Of(4, "sensor", user: $"<{value}>", password: "secret");
        Assert.Equal(expected, await (await _broker.NextConnectionAsync()).WaitForReceivedAsync(expected.Length));
    }
}
