using System.Net;
using ActorLb.Native;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Server.Admin;

namespace ActorLb.Tests.Proxying;

public sealed class NetEndPointTests
{
    [Theory]
    [InlineData("127.0.0.1", 1883)]
    [InlineData("255.254.253.252", 65535)]
    [InlineData("0.0.0.0", 1)]
    [InlineData("::1", 80)]
    [InlineData("2001:db8::1:2", 443)]
    public void Sockaddr_RoundTrip_KeepsAddressAndPort(string address, int port)
    {
        var there = NetEndPoint.From(IPAddress.Parse(address), port);
        Span<byte> sockaddr = stackalloc byte[NetEndPoint.MaxSockaddrSize];
        var back = NetEndPoint.FromSockaddr(sockaddr[..there.WriteSockaddr(sockaddr)]);
        Assert.Equal(there, back);
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), port), back.ToIPEndPoint());
        Span<byte> text = stackalloc byte[NetEndPoint.MaxTextSize];
        Assert.Equal(address, System.Text.Encoding.ASCII.GetString(text[..back.WriteAddressText(text)]));
    }

    [Fact]
    public void From_MappedAddress_IsTheIPv4Address() => Assert.Equal(
        NetEndPoint.From(IPAddress.Parse("10.1.2.3"), 5), NetEndPoint.From(IPAddress.Parse("::ffff:10.1.2.3"), 5));

    [Fact]
    public void FromSockaddr_Garbage_IsUnknown()
    {
        Assert.False(NetEndPoint.FromSockaddr([]).IsKnown);
        Assert.False(NetEndPoint.FromSockaddr(new byte[28]).IsKnown);
    }
}

public sealed class DrainPaceTests
{
    [Theory]
    [InlineData(20, 0, 0)]
    [InlineData(20, 1, 1)]
    [InlineData(20, 30_000, 1)]
    [InlineData(20, 30_001, 2)]
    [InlineData(20, 599_999, 20)]
    [InlineData(100_000, 60_000, 10_000)]
    [InlineData(7, 600_000, 7)]
    [InlineData(7, 700_000, 7)]
    public void Due_OfTenMinutes_IsEven(int total, int elapsedMs, int expected) => Assert.Equal(
        expected, DrainPace.Due(total, TimeSpan.FromMilliseconds(elapsedMs), TimeSpan.FromMinutes(10)));
}

public sealed class CloseReasonTests
{
    /// <summary>Numbers and names reach logs and dashboards: they are only ever added to.</summary>
    [Fact]
    public void NumbersAndTexts_ArePinned()
    {
        string pinned = string.Join(' ', Enum.GetValues<CloseReason>().Select(r => $"{(int)r}={CloseReasons.Text(r)}"));
        Assert.Equal(
            "0=none 1=client_closed 2=backend_closed 3=client_reset 4=backend_reset 5=idle_timeout 6=half_close_timeout 7=drained 8=kicked 9=backend_down 10=rebalanced 11=closed_by_ban "
            + "20=node_full 21=listener_full 22=address_full 23=address_rate 24=connect_rate 25=banned 26=draining 27=displaced 28=memory_short "
            + "40=connect_timeout 41=client_gone 42=bad_proxy_header 43=tls_failed 44=bad_upgrade 45=bad_frame 46=bad_connect "
            + "47=rewrite_failed 48=client_id_mismatch 49=early_data_limit 50=handshake_limit 51=bare_connect 52=loop 53=damped 55=setup_memory "
            + "60=no_backend 61=backends_failed 62=backend_refused 63=backend_protocol 64=source_exhausted 65=local_shortage 66=queue_full 67=queue_timeout 90=internal",
            pinned);
        Assert.Equal(CloseReasons.Count, (int)Enum.GetValues<CloseReason>().Max() + 1);
    }

    [Fact]
    public void For_AdmissionReasons_GivesTheDocumentedCodes()
    {
        Assert.Equal(RefusalReason.ServerBusy, Refusals.For(CloseReason.NodeFull));
        Assert.Equal(RefusalReason.ConnectionRateExceeded, Refusals.For(CloseReason.ConnectRate));
        Assert.Equal(RefusalReason.Banned, Refusals.For(CloseReason.Banned));
        Assert.Equal(RefusalReason.ServerUnavailable, Refusals.For(CloseReason.Draining));
    }
}

public sealed class StatusPageTests
{
    /// <summary>Byte for byte what NGINX's stub_status prints: what reads that page counts on the blanks.</summary>
    [Fact]
    public void Render_Counts_IsStubStatusText() => Assert.Equal(
        "Active connections: 12 \nserver accepts handled requests\n 25 24 60 \nReading: 0 Writing: 1 Waiting: 11 \n",
        StatusPage.Render(12, 25, 24, 60, 0, 1, 11));
}

public sealed class IdleTimeoutsTests
{
    [Theory]
    [InlineData(null, 60, 90_000)]
    [InlineData(null, 0, 0)]
    [InlineData(null, 65_535, 98_302_500)]
    [InlineData(1800, 60, 1_800_000)]
    [InlineData(0, 60, 0)]
    public void Of_KeepAliveOrConfigured(int? configuredSeconds, int keepAlive, int expected) => Assert.Equal(
        expected, IdleTimeouts.Of(configuredSeconds is { } s ? TimeSpan.FromSeconds(s) : null, keepAlive));
}
