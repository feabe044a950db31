using System.Net;
using System.Text;
using ActorLb.Protocol.ProxyProtocol;
using FsCheck;
using FsCheck.Fluent;

namespace ActorLb.Protocol.Tests.ProxyProtocol;

public sealed class IpTextTests
{
    [Theory]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("1::")]
    [InlineData("2001:db8::1")]
    [InlineData("2001:db8:0:1:1:1:1:1")]
    [InlineData("2001:0:0:1::1")]
    [InlineData("fe80::ffff:0:0:1")]
    [InlineData("1:2:3:4:5:6:7:8")]
    [InlineData("::ffff:192.0.2.33")]
    [InlineData("1:0:0:2::3")]
    public void V6_Canonical_SameTextBack(string text)
    {
        Assert.True(IpText.TryParseV6(Encoding.ASCII.GetBytes(text), out var address));
        Assert.Equal(IPAddress.Parse(text), ToFramework(address));
        Assert.Equal(text, Write(address));
    }

    [Theory]
    [InlineData("0:0:0:0:0:0:0:0", "::")]
    [InlineData("2001:DB8::A", "2001:db8::a")]
    [InlineData("::1.2.3.4", "::102:304")]
    [InlineData("64:ff9b::192.0.2.33", "64:ff9b::c000:221")]
    [InlineData("0001:002:3:4:5:6:7::", "1:2:3:4:5:6:7:0")]
    [InlineData("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8")]
    public void V6_OtherForms_Read(string text, string canonical)
    {
        Assert.True(IpText.TryParseV6(Encoding.ASCII.GetBytes(text), out var address));
        Assert.Equal(canonical, Write(address));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData(":::")]
    [InlineData("1:")]
    [InlineData(":1")]
    [InlineData("1::2::3")]
    [InlineData("1:2:3:4:5:6:7")]
    [InlineData("1:2:3:4:5:6:7:8:9")]
    [InlineData("1:2:3:4:5:6:7:8::")]
    [InlineData("::1:2:3:4:5:6:7:8")]
    [InlineData("12345::")]
    [InlineData("g::")]
    [InlineData("fe80::1%eth0")]
    [InlineData("[::1]")]
    [InlineData("1.2.3.4")]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4")]
    [InlineData("::1.2.3.4:5")]
    [InlineData("::1.2.3")]
    [InlineData("::01.2.3.4")]
    [InlineData("1 ::")]
    public void V6_Malformed_Refused(string text) => Assert.False(IpText.TryParseV6(Encoding.ASCII.GetBytes(text), out _));

    [Theory]
    [InlineData("")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.256")]
    [InlineData("01.2.3.4")]
    [InlineData("1..3.4")]
    [InlineData("1.2.3.4 ")]
    [InlineData("0x1.2.3.4")]
    [InlineData("-1.2.3.4")]
    [InlineData("1.2.3.99999999999")]
    public void V4_Malformed_Refused(string text) => Assert.False(IpText.TryParseV4(Encoding.ASCII.GetBytes(text), out _));

    [Fact]
    public void Write_AgreesWithTheFramework() => Prop.ForAll(Gen.Choose(0, 255).ArrayOf(16).ToArbitrary(), Gen.Choose(0, 0xFFFF).ToArbitrary(), (values, zeros) =>
    {
        // Random bits clear groups, so that runs of zeros come often.
        byte[] bytes = values.Select((v, i) => (zeros >> i / 2 & 1) != 0 ? (byte)0 : (byte)v).ToArray();
        var address = EndpointAddress.FromBytes(bytes, 0);
        string text = Write(address);
        Assert.Equal(new IPAddress(bytes), IPAddress.Parse(text));
        Assert.True(IpText.TryParseV6(Encoding.ASCII.GetBytes(text), out var read));
        Assert.Equal(address, read);

        var v4 = EndpointAddress.FromBytes(bytes.AsSpan(0, 4), 0);
        Assert.Equal(new IPAddress(bytes.AsSpan(0, 4)).ToString(), Write(v4));
        Assert.True(IpText.TryParseV4(Encoding.ASCII.GetBytes(Write(v4)), out uint bits));
        Assert.Equal(v4.Low, bits);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Mapped_ThereAndBack()
    {
        var v4 = EndpointAddress.FromBytes([192, 0, 2, 1], 80);
        Assert.True(v4.ToV6().IsMappedV4);
        Assert.Equal("::ffff:192.0.2.1", Write(v4.ToV6()));
        Assert.Equal(v4, v4.ToV6().Unmapped());
        Assert.False(EndpointAddress.FromBytes(IPAddress.IPv6Loopback.GetAddressBytes(), 80).IsMappedV4);
    }

    private static string Write(EndpointAddress address)
    {
        Span<byte> text = stackalloc byte[IpText.MaxLength];
        return Encoding.ASCII.GetString(text[..IpText.Write(text, address)]);
    }

    private static IPAddress ToFramework(EndpointAddress address)
    {
        byte[] bytes = new byte[address.Length];
        address.WriteTo(bytes);
        return new IPAddress(bytes);
    }
}
