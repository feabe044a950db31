using System.Security.Cryptography;
using ActorLb.Fleet.Membership;

namespace ActorLb.Tests.Fleet.Membership;

public sealed class FleetSecurityTests
{
    /// <summary>Nodes of two releases must derive the same key, or a rolling upgrade splits the fleet.</summary>
    [Fact]
    public void Key_OfASecret_IsTheRecordedOne()
    {
        using var key = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdef"u8);

        Assert.Equal("D41E30A881C6183F1658BC1C47A2A864F8670757EE0F5F0BC53897619D8B95EF", Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())));
    }

    [Fact]
    public void Key_DependsOnTheSecret()
    {
        using var one = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdef"u8);
        using var two = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdeg"u8);

        Assert.Equal(2, ((ECDsa[])[one, two]).Select(k => Convert.ToHexString(k.ExportSubjectPublicKeyInfo())).Distinct().Count());
    }
}
