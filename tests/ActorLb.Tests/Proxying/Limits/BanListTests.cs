using System.Collections.Immutable;
using System.Net;
using System.Text;
using ActorLb.Fleet.Spread;
using ActorLb.Native;
using ActorLb.Operations;
using ActorLb.Proxying.Limits;
using ActorLb.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class BanListTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));

    private Ban Of(BanKind kind, string subject, int? seconds = null) =>
        new(kind, subject, _time.GetUtcNow(), seconds is { } s ? _time.GetUtcNow().AddSeconds(s) : null, "me", "");

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static NetEndPoint Client(string address) => NetEndPoint.From(IPAddress.Parse(address), 1000);

    [Fact]
    public void Names_AreComparedWholeAndByKind()
    {
        var bans = new BanList([Of(BanKind.ClientId, "dévice"), Of(BanKind.UserName, "user")], _time);
        Assert.True(bans.HasClientId(Utf8("dévice")));
        Assert.False(bans.HasClientId(Utf8("dévic")));
        Assert.False(bans.HasClientId(Utf8("user")));
        Assert.True(bans.HasUserName(Utf8("user")));
        Assert.False(bans.HasUserName(default));
        Assert.False(BanList.Empty.HasClientId(Utf8("dévice")));
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3", true)]
    [InlineData("10.0.0.0/8", "11.1.2.3", false)]
    [InlineData("10.0.0.7/32", "10.0.0.7", true)]
    [InlineData("10.0.0.7/32", "10.0.0.6", false)]
    [InlineData("0.0.0.0/0", "1.2.3.4", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("::/0", "1.2.3.4", false)]
    [InlineData("2001:db8::/33", "2001:db8:7fff::1", true)]
    [InlineData("2001:db8::/33", "2001:db8:8000::1", false)]
    [InlineData("10.0.0.0/8", "::ffff:10.0.0.1", true)]
    public void Address_IsFoundInItsNetwork(string network, string client, bool found) =>
        Assert.Equal(found, new BanList([Of(BanKind.Address, network)], _time).HasAddress(Client(client)));

    [Fact]
    public void Address_ExpiredNarrowBan_LeavesTheWiderOneInForce()
    {
        var bans = new BanList([Of(BanKind.Address, "10.0.0.0/24", 10), Of(BanKind.Address, "10.0.0.0/8", 20)], _time);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.True(bans.HasAddress(Client("10.0.0.1")));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.False(bans.HasAddress(Client("10.0.0.1")));
    }

    [Fact]
    public void Ban_IsOverByTheClock()
    {
        var bans = new BanList([Of(BanKind.ClientId, "a", 10), Of(BanKind.ClientId, "b")], _time);
        Assert.True(bans.HasClientId(Utf8("a")));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.False(bans.HasClientId(Utf8("a")));
        _time.Advance(TimeSpan.FromDays(3000));
        Assert.True(bans.HasClientId(Utf8("b")));
    }

    [Fact]
    public void Lookup_AllocatesNothing()
    {
        var bans = new BanList([.. Enumerable.Range(0, 1000).Select(i => Of(BanKind.ClientId, $"c{i}", 100)), Of(BanKind.Address, "10.0.0.0/8"), Of(BanKind.Address, "2001:db8::/32")], _time);
        byte[] known = Utf8("c7"), unknown = Utf8("someone");
        var client = Client("192.0.2.1");
        Assert.True(bans.HasClientId(known));
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                bans.HasClientId(known);
                bans.HasClientId(unknown);
                bans.HasUserName(unknown);
                bans.HasAddress(client);
            }
        }));
    }

    [Theory]
    [InlineData("10.0.0.7", "10.0.0.7/32")]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("::ffff:10.0.0.7", "10.0.0.7/32")]
    [InlineData("2001:DB8:0:0::/32", "2001:db8::/32")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("10.0.0.7/8", null)]
    [InlineData("10.0.0.0/33", null)]
    [InlineData("10.0.0.0/-1", null)]
    [InlineData("::ffff:10.0.0.0/104", "10.0.0.0/8")]
    [InlineData("::ffff:10.0.0.0/8", null)]
    [InlineData("10", null)]
    [InlineData("1.2", null)]
    [InlineData("010.0.0.1", null)]
    [InlineData("0x7f.1", null)]
    [InlineData("[2001:db8::1]:80", null)]
    [InlineData("fe80::1%eth0", null)]
    [InlineData("example.com", null)]
    [InlineData("", null)]
    public void Network_HasOneWayOfWriting(string text, string? network)
    {
        Assert.Equal(network, BanOrders.Network(text, out string problem));
        if (network is null) Assert.Contains($"'{text}'", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "with/slash und ü")]
    [InlineData(1, "user")]
    [InlineData(2, "2001:db8::/32")]
    public void Order_IsReadAsItWasWritten(int kind, string subject)
    {
        Ban ban = new((BanKind)kind, subject, _time.GetUtcNow(), _time.GetUtcNow().AddMilliseconds(12_345), "10.0.0.7:5 (token ops) on lb-1", "a reason, ü");
        Assert.Equal(ban, BanOrders.Read(new FleetOrder(BanOrders.NameOf((BanKind)kind, subject), BanOrders.Write(ban), 1, false)));
        var forever = ban with { Expires = null };
        Assert.Equal(forever, BanOrders.Read(new FleetOrder(BanOrders.NameOf((BanKind)kind, subject), BanOrders.Write(forever), 1, false)));
    }

    [Fact]
    public void Order_OfALaterReleaseOrDamaged_IsNotRead()
    {
        byte[] good = BanOrders.Write(Of(BanKind.ClientId, "x", 5));
        Assert.Null(BanOrders.Read(new FleetOrder("ban/shoe-size/44", good, 1, false)));
        Assert.Null(BanOrders.Read(new FleetOrder("ban/address/x", good, 1, false)));
        for (int length = 0; length < 19; length++) Assert.Null(BanOrders.Read(new FleetOrder("ban/client-id/x", good.AsMemory(0, length), 1, false)));
        Assert.Null(BanOrders.Read(new FleetOrder("ban/client-id/x", (byte[])[2, .. good.AsSpan(1)], 1, false)));
        byte[] noTime = [.. good];
        noTime.AsSpan(1, 16).Fill(0xFF);
        Assert.Null(BanOrders.Read(new FleetOrder("ban/client-id/x", noTime, 1, false)));
        Assert.Equal([0, 1, 2], Enum.GetValues<BanKind>().Select(k => (int)k));
        Assert.Equal("ban/username/x", BanOrders.NameOf(BanKind.UserName, "x"));
    }
}
