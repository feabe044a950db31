using System.Collections.Immutable;
using ActorLb.Testing;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Tls;

public sealed class CertificateWatchTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CollectedLog _log = new();
    private readonly List<string> _renewed = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Stamps_NothingWritten_NeverChange()
    {
        var stamps = new FileStamps(FileStamps.Take([_folder.Write("a", "1"), _folder["missing"]]));
        for (int i = 0; i < 5; i++) Assert.Empty(stamps.Changed());
    }

    [Fact]
    public void Stamps_FileWritten_ChangeOnceWhenItHasSettled()
    {
        string file = _folder.Write("a", "1");
        string other = _folder.Write("b", "1");
        var stamps = new FileStamps(FileStamps.Take([file, other]));
        Assert.Empty(stamps.Changed());
        _folder.Write("a", "12");
        Assert.Empty(stamps.Changed());
        _folder.Write("a", "123");
        Assert.Empty(stamps.Changed());
        Assert.Equal([file], stamps.Changed());
        Assert.Empty(stamps.Changed());
    }

    [Fact]
    public void Stamps_SameSizeAtAnotherTime_Change()
    {
        string file = _folder.Write("a", "1");
        var stamps = new FileStamps(FileStamps.Take([file]));
        File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddTicks(-1));
        Assert.Empty(stamps.Changed());
        Assert.Equal([file], stamps.Changed());
    }

    [Fact]
    public void Stamps_DirectoryBehindALinkSwapped_Change()
    {
        // As Kubernetes swaps a mounted secret: the files are links into a directory that is a link itself.
        _folder.Write("one/tls.pem", "old");
        _folder.Write("two/tls.pem", "newer");
        Directory.CreateSymbolicLink(_folder["data"], _folder["one"]);
        File.CreateSymbolicLink(_folder["tls.pem"], Path.Combine("data", "tls.pem"));
        var stamps = new FileStamps(FileStamps.Take([_folder["tls.pem"]]));
        Assert.Empty(stamps.Changed());
        Directory.Delete(_folder["data"]);
        Directory.CreateSymbolicLink(_folder["data"], _folder["two"]);
        Assert.Empty(stamps.Changed());
        Assert.Equal([_folder["tls.pem"]], stamps.Changed());
    }

    [Fact]
    public void Stamps_FileRemovedAndBack_ChangeTwice()
    {
        string file = _folder.Write("a", "1");
        var stamps = new FileStamps(FileStamps.Take([file]));
        File.Delete(file);
        Assert.Empty(stamps.Changed());
        Assert.Equal([file], stamps.Changed());
        _folder.Write("a", "12");
        Assert.Empty(stamps.Changed());
        Assert.Equal([file], stamps.Changed());
    }

    [Fact]
    public async Task Look_UnusableFile_IsToldOnceAndTriedAgainWithTheNextChange()
    {
        string certificate = _folder.Write("c", "1");
        string key = _folder.Write("k", "1");
        bool usable = false;
        var watch = Watch(() => usable ? null : "it is bad");
        watch.Watch(FileStamps.Take([certificate, key]));
        _folder.Write("c", "12");
        for (int i = 0; i < 4; i++) await watch.LookAsync();
        Assert.Equal([certificate], _renewed);
        Assert.Equal(1, watch.Failures);
        Assert.Single(_log.Lines, l => l.Level == LogLevel.Error && l.Text.Contains(certificate, StringComparison.Ordinal)
            && l.Text.EndsWith("it is bad", StringComparison.Ordinal));

        usable = true;
        _folder.Write("k", "12");
        for (int i = 0; i < 3; i++) await watch.LookAsync();
        Assert.Equal([certificate, $"{certificate} {key}"], _renewed);
    }

    [Theory]
    [InlineData(31, null)]
    [InlineData(30, LogLevel.Warning)]
    [InlineData(1, LogLevel.Warning)]
    [InlineData(-1, LogLevel.Error)]
    public async Task Look_CertificateNearItsEnd_WarnsOnceADay(int days, LogLevel? level)
    {
        var use = new CertificateUse("listener", "mqtts", new DatedEntry(TlsSetting.Certificate, "/c.pem", "CN=a", default, _time.GetUtcNow().AddDays(days)) { IsLeaf = true });
        var watch = new CertificateWatch(_time, _log, _ => Task.CompletedTask, () => [use]);
        for (int hour = 0; hour < 24; hour++)
        {
            await watch.LookAsync();
            _time.Advance(TimeSpan.FromMinutes(59));
        }

        Assert.Equal(level is null ? [] : [level.Value], _log.Lines.Select(l => l.Level));
        _time.Advance(TimeSpan.FromHours(1));
        await watch.LookAsync();
        // A day nearer its end, the one that had a day more than thirty is told of too.
        Assert.Equal(level is null ? 1 : 2, _log.Lines.Count);
    }

    [Fact]
    public async Task Look_RevocationListRunsOut_IsToldAtOnceAndAsWhatItDoes()
    {
        var entry = new DatedEntry(TlsSetting.Crl, "/crl.pem", "CN=CA", _time.GetUtcNow().AddDays(-7), _time.GetUtcNow().AddDays(7));
        var strict = new CertificateUse("listener", "strict", entry with { NotAfter = entry.NotAfter.AddHours(1) });
        var lax = new CertificateUse("listener", "lax", entry with { NotAfter = entry.NotAfter.AddHours(1), IsUsedWhenOver = true });
        var watch = new CertificateWatch(_time, _log, _ => Task.CompletedTask, () => [strict, lax]);
        await watch.LookAsync();
        Assert.Empty(_log.Lines);
        // Half of its life and half an hour more, which is in the middle of the day between two warnings.
        _time.Advance(TimeSpan.FromHours(1));
        await watch.LookAsync();
        Assert.Equal([LogLevel.Warning, LogLevel.Warning], _log.Lines.Select(l => l.Level));
        for (int hour = 0; hour < 7 * 24; hour++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            await watch.LookAsync();
        }

        Assert.All(_log.Lines, l => Assert.Equal(LogLevel.Warning, l.Level));
        int before = _log.Lines.Count;
        _time.Advance(TimeSpan.FromSeconds(2));
        await watch.LookAsync();
        Assert.Equal(
            [
                (LogLevel.Error, $"listener strict: the CRL file /crl.pem {strict.Certificate.TextAt(_time.GetUtcNow())}"),
                (LogLevel.Warning, $"listener lax: the CRL file /crl.pem {lax.Certificate.TextAt(_time.GetUtcNow())}"),
            ],
            _log.Lines.Skip(before).Select(l => (l.Level, l.Text)));
    }

    [Fact]
    public async Task Look_ThatFailsAgainAndAgain_IsToldOnceForEachReason()
    {
        string? reason = "no thread";
        var watch = new CertificateWatch(_time, _log, _ => Task.CompletedTask, () => reason is null ? [] : throw new IOException(reason));
        for (int i = 0; i < 5; i++) await Look();
        reason = "another";
        await Look();
        reason = null;
        await Look();
        reason = "another";
        await Look();
        Assert.Equal(
            ["no thread", "another", "another"],
            _log.Lines.Select(l => l.Text.Replace("the certificates cannot be checked; retrying every two seconds: ", "", StringComparison.Ordinal)));

        async Task Look()
        {
            _time.Advance(TimeSpan.FromDays(2));
            await watch.TryLookAsync();
        }
    }

    private CertificateWatch Watch(Func<string?> problem) => new(_time, _log, changed =>
    {
        _renewed.Add(string.Join(' ', changed.Order(StringComparer.Ordinal)));
        return problem() is { } text ? throw new TlsConfigurationException([new TlsProblem(TlsSetting.Certificate, null, text)]) : Task.CompletedTask;
    }, () => ImmutableArray<CertificateUse>.Empty);
}
