using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class DatedEntryTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(TlsSetting.Certificate, true, -100, 31, null)]
    [InlineData(TlsSetting.Certificate, true, -100, 30, "expires in 30 days, on 2030-01-31 00:00:00Z")]
    [InlineData(TlsSetting.Certificate, false, -100, 1, "holds 'CN=x', which expires in 24 hours, on 2030-01-02 00:00:00Z")]
    [InlineData(TlsSetting.Certificate, true, -100, -1, "has expired on 2029-12-31 00:00:00Z")]
    [InlineData(TlsSetting.Certificate, true, 1, 100, "is not valid before 2030-01-02 00:00:00Z")]
    [InlineData(TlsSetting.Ca, false, -100, -1, "holds 'CN=x', which has expired on 2029-12-31 00:00:00Z")]
    [InlineData(TlsSetting.Crl, false, -3, 4, null)]
    [InlineData(TlsSetting.Crl, false, -4, 4, "holds the list of 'CN=x', whose next update is due in 4 days, on 2030-01-05 00:00:00Z")]
    [InlineData(TlsSetting.Crl, false, -4, -1, "holds the list of 'CN=x', whose next update was due on 2029-12-31 00:00:00Z: all clients with its certificates are refused (crl-expired = refuse)")]
    [InlineData(TlsSetting.Crl, false, 1, 2, "holds the list of 'CN=x', which is not valid before 2030-01-02 00:00:00Z: all clients with its certificates are refused (crl-expired = refuse)")]
    public void Text_ByTheTimeLeft_SaysWhatIsTheMatter(TlsSetting setting, bool leaf, int since, int until, string? expected)
    {
        var entry = Of(setting, since, until) with { IsLeaf = leaf };
        Assert.Equal(expected, entry.TextAt(Now));
        Assert.Equal(since > 0 || until < 0, entry.RefusesAt(Now));
    }

    [Fact]
    public void List_UsedWhenOver_RefusesNobody()
    {
        var entry = Of(TlsSetting.Crl, -4, -1) with { IsUsedWhenOver = true };
        Assert.EndsWith(": later revocations are not known (crl-expired = warn)", entry.TextAt(Now), StringComparison.Ordinal);
        Assert.False(entry.RefusesAt(Now));
    }

    [Fact]
    public void List_WithoutNextUpdate_NeverEnds()
    {
        var entry = Of(TlsSetting.Crl, -4, 1) with { NotAfter = DateTimeOffset.MaxValue };
        Assert.Null(entry.TextAt(Now.AddYears(1000)));
        Assert.Null(entry.NextChange(Now));
    }

    [Fact]
    public void InForce_OfSeveralForOneAuthority_IsTheOneThatCounts()
    {
        DatedEntry old = Of(TlsSetting.Crl, -9, -1), now = Of(TlsSetting.Crl, -3, 3), next = Of(TlsSetting.Crl, 1, 9), other = Of(TlsSetting.Crl, -9, -2) with { Subject = "CN=y" };
        Assert.Equal([now, other], DatedEntry.InForce([old, now, next, other], Now));
        DatedEntry authority = Of(TlsSetting.Ca, -9, -1) with { KeyId = "1" }, renewed = Of(TlsSetting.Ca, -2, 9) with { KeyId = "1" }, rekeyed = Of(TlsSetting.Ca, -2, 9) with { KeyId = "2" };
        Assert.Equal([renewed, rekeyed], DatedEntry.InForce([renewed, authority, rekeyed], Now));
        // Both are served.
        DatedEntry rsa = Of(TlsSetting.Certificate, -9, -1), ecdsa = Of(TlsSetting.Certificate, -2, 9);
        Assert.Equal([rsa, ecdsa], DatedEntry.InForce([rsa, ecdsa], Now));
    }

    [Fact]
    public void NextChange_FollowsTheStates()
    {
        var entry = Of(TlsSetting.Certificate, 1, 100);
        var states = new List<DateState>();
        for (DateTimeOffset? at = Now; at is { } moment; at = entry.NextChange(moment)) states.Add(entry.StateAt(moment));
        Assert.Equal([DateState.NotBegun, DateState.Good, DateState.EndsSoon, DateState.Ended], states);
    }

    private static DatedEntry Of(TlsSetting setting, int since, int until) => new(setting, "/f", "CN=x", Now.AddDays(since), Now.AddDays(until));
}
