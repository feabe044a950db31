using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Dialing;

namespace ActorLb.Tests.Proxying.Dialing;

public sealed class BackendFaultsTests
{
    /// <summary>RFC 9110, 15.5: from 400 on the request is blamed, from 500 on the server.</summary>
    [Theory]
    [InlineData(400, true, nameof(UpgradeFault.Unknown))]
    [InlineData(404, true, nameof(UpgradeFault.Unknown))]
    [InlineData(499, true, nameof(UpgradeFault.Unknown))]
    [InlineData(401, true, nameof(UpgradeFault.Credentials))]
    [InlineData(403, true, nameof(UpgradeFault.Credentials))]
    [InlineData(399, true, nameof(UpgradeFault.Backends))]
    [InlineData(302, true, nameof(UpgradeFault.Backends))]
    [InlineData(200, true, nameof(UpgradeFault.Backends))]
    [InlineData(500, true, nameof(UpgradeFault.Backends))]
    [InlineData(503, true, nameof(UpgradeFault.Backends))]
    // A request without a client's part can only be refused for what the backend is.
    [InlineData(400, false, nameof(UpgradeFault.Backends))]
    [InlineData(401, false, nameof(UpgradeFault.Backends))]
    public void Upgrade_RefusedByStatus_IsTheFaultOf(int status, bool ofAClient, string fault) =>
        Assert.Equal(fault, BackendFaults.Judge(status, UpgradeError.Status, ofAClient).ToString());

    [Fact]
    public void Upgrade_AnsweredByNoUpgrade_IsTheBackendsFault() => Assert.All(
        Enum.GetValues<UpgradeError>().Where(e => e != UpgradeError.Status),
        e => Assert.Equal(UpgradeFault.Backends, BackendFaults.Judge(401, e, ofAClient: true)));
}
