using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Health;
using ActorLb.Protocol.WebSocket;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using static ActorLb.Tests.Health.ProbedPeer;

namespace ActorLb.Tests.Health;

public sealed class ProbeTests
{
    [Fact]
    public async Task Tcp_Listening_AliveElseRefused()
    {
        IPEndPoint endPoint;
        await using (FakeService service = new((_, _) => Task.CompletedTask))
        {
            endPoint = service.EndPoint;
            Assert.Equal(ProbeResult.Ok, await new TcpProbe(Plain).ProbeAsync(endPoint, Soon));
        }

        var refused = await new TcpProbe(Plain).ProbeAsync(endPoint, Soon);
        Assert.False(refused.Alive);
        Assert.Contains("refused", refused.Reason, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A backend that expects a PROXY header takes a connection without one for an error.</summary>
    [Theory]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.Off, 0, "")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V1, 0, "PROXY UNKNOWN\r\n")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V2, 0, "\r\n\r\n\0\r\nQUIT\n \0\0\0")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V2, 1, "")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V1, 0, "PROXY UNKNOWN\r\nGET /status HTTP/1.1\r\n")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V2, 0, "\r\n\r\n\0\r\nQUIT\n \0\0\0GET /status HTTP/1.1\r\n")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V2, 1, "GET /status HTTP/1.1\r\n")]
    public async Task Probe_WhereThePoolSendsProxyHeaders_SpeaksForNobody(ProbeKind kind, ProxyProtocolVersion proxy, int otherPort, string first)
    {
        TaskCompletionSource<string> seen = new();
        await using FakeService service = new(async (stream, end) =>
        {
            byte[] begin = new byte[first.Length == 0 ? 1 : first.Length];
            int read = await stream.ReadAtLeastAsync(begin, begin.Length, throwOnEndOfStream: false, end);
            seen.TrySetResult(Encoding.Latin1.GetString(begin, 0, read));
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), end);
        });
        int port = service.EndPoint.Port;
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: otherPort == 0 ? port : otherPort)) with
        {
            ProxyProtocol = proxy,
            Health = Pools.NoHealth with { Probe = kind, Path = "/status", Port = otherPort == 0 ? 0 : port },
        };
        var probe = HealthProbes.Create(options, new Pool(options, TimeProvider.System).Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))!;

        Assert.True((await probe.ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.Equal(first, await seen.Task);
    }

    [Theory]
    [InlineData(ProbeKind.Mqtt, null, "no CONNACK")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", "no answer to the upgrade")]
    [InlineData(ProbeKind.Http, null, "no HTTP status")]
    public async Task Probe_OfASilentPeer_KnowsWhatItOwes(ProbeKind kind, string? webSocket, string owed)
    {
        await using FakeService service = new((_, end) => Task.Delay(Timeout.Infinite, end));
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: service.EndPoint.Port)) with
        {
            WebSocketPath = webSocket,
            Health = Pools.NoHealth with { Probe = kind },
        };
        var probe = HealthProbes.Create(options, new Pool(options, TimeProvider.System).Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))!;
        using CancellationTokenSource end = new();
        var probing = probe.ProbeAsync(service.EndPoint, end.Token);
        await Wait.UntilAsync(() => probe.Owed == owed);
        await end.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await probing);

        Assert.Equal(owed, probe.Owed);
    }

    [Fact]
    public void OwnProbes_KnowTheirIdsAndNoOthers()
    {
        OwnProbes own = new("n1", "0a0b0c0d"), other = new("n1", "0a0b0c0e");
        (long number, string id) = own.Next();
        Assert.Equal("actorlb-probe-n1-0a0b0c0d-1", id);
        Assert.True(own.Has(Encoding.UTF8.GetBytes(id)));
        Assert.False(other.Has(Encoding.UTF8.GetBytes(id)));
        Assert.False(own.Has("actorlb-probe-n1"u8));
        Assert.Null(own.TakeArrival(number));
        // Nobody makes the node remember what it has not sent.
        foreach (string made in (string[])["", "x", "2", "-1", "1x", "99999999999999999999"]) own.Arrived(Encoding.UTF8.GetBytes(id[..^1] + made), "mqtt");
        Assert.All([0, 2, -1], n => Assert.Null(own.TakeArrival(n)));
        own.Arrived(Encoding.UTF8.GetBytes(id), "mqtt");
        Assert.Equal("mqtt", own.TakeArrival(number));
        Assert.Null(own.TakeArrival(number));
    }

    [Theory]
    [InlineData(ProbeKind.None, null, 0, null)]
    [InlineData(ProbeKind.Tcp, null, 0, "tcp")]
    [InlineData(ProbeKind.Mqtt, null, 0, "mqtt")]
    [InlineData(ProbeKind.Http, null, 18083, "http")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", 0, "websocket")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", 1884, "mqtt")]
    public void Create_Options_TheProbe(ProbeKind kind, string? webSocket, int port, string? name)
    {
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with
        {
            WebSocketPath = webSocket,
            Health = Pools.NoHealth with { Probe = kind, Port = port },
        };
        Pool pool = new(options, TimeProvider.System);

        Assert.Equal(name, HealthProbes.Create(options, pool.Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))?.Name);
    }
}
