using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Server;

public sealed class BenchFilesTests
{
    [Fact]
    public async Task Bench_FilesThatCannotBeUsed_AreNamed()
    {
        using var certificates = new TestCertificates();
        TestCertificate one = certificates.Client("CN=one"), two = certificates.Client("CN=two");
        var mixed = await ActorLbProcess.RunAsync("bench", "conn", "-c", "1", "--cert", one.CertificatePath, "--key", two.KeyPath);
        Assert.Equal(2, mixed.ExitCode);
        Assert.StartsWith($"actorlb bench: key {two.KeyPath}: does not belong to the certificate {one.CertificatePath}", mixed.Output, StringComparison.Ordinal);
        var garbage = await ActorLbProcess.RunAsync("bench", "pub", "-t", "t", "-c", "1", "--ca", one.KeyPath);
        Assert.Equal(2, garbage.ExitCode);
        Assert.StartsWith($"actorlb bench: CA file {one.KeyPath}: holds no readable PEM certificate", garbage.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_Help_TellsDurationsAsTheyAreWritten()
    {
        var help = await ActorLbProcess.RunAsync("bench", "pub", "--help");
        Assert.Contains("a plain number is seconds [30s]", help.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("00:00", help.Output, StringComparison.Ordinal);
    }
}
