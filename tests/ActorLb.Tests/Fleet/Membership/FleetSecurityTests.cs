using System.Security.Cryptography;
using ActorLb.Fleet.Membership;

namespace ActorLb.Tests.Fleet.Membership;

public sealed class FleetSecurityTests
{
    /// <summary>Nodes of two releases must derive the same key, or a rolling upgrade splits the fleet.</summary>
    [Fact]
    public void Key_OfASecret_IsTheRecordedOne()
    {
        using ECDsa key = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdef"u8, "production");

        Assert.Equal("A931DA5891D005F370326ECA41DB38F76CC814FA84E8605546AB583C3E58C616", Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())));
    }

    [Fact]
    public void Key_DependsOnSecretAndCluster()
    {
        using ECDsa one = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdef"u8, "a");
        using ECDsa two = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdef"u8, "b");
        using ECDsa three = FleetSecurity.DeriveKey("0123456789abcdef0123456789abcdeg"u8, "a");

        Assert.Equal(3, ((ECDsa[])[one, two, three]).Select(k => Convert.ToHexString(k.ExportSubjectPublicKeyInfo())).Distinct().Count());
    }
}
