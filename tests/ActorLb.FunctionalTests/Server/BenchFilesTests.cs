using ActorLb.FunctionalTests.Tls;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

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

    /// <summary>A device has no session of another's: what is measured are whole handshakes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bench_OverTls_ResumesNoSession(bool webSocket)
    {
        using var certificates = new TestCertificates();
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), TlsListener.With(certificates.Server(["localhost"])) + (webSocket ? "websocket { path = \"/mqtt\" }" : ""));
        string[] more = webSocket ? ["--ws", "/mqtt"] : [];
        // One after the other: each might go on with the session of the one before.
        var opened = await ActorLbProcess.RunAsync(
            ["bench", "conn", "-c", "4", "-i", "200", "-h", "127.0.0.1", "-p", $"{node.EndPoint.Port}", "--ca", certificates.CaPath, "--servername", "localhost", .. more]);
        Assert.True(opened.ExitCode == 0, opened.Output);
        Assert.Equal((4, 0), (node.Sum(c => Volatile.Read(ref c.TlsHandshakes)), node.Sum(c => Volatile.Read(ref c.TlsResumed))));
    }

    /// <summary>An environment with a proxy is that of a user's shell, and no part of what is measured.</summary>
    [Fact]
    public async Task Bench_OverWebSocket_GoesThroughNoProxy()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "websocket { path = \"/mqtt\" }");
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal) { ["http_proxy"] = "http://127.0.0.1:1", ["no_proxy"] = null };
        var opened = await ProcessHost.RunAsync(
            ActorLbProcess.Program, ["bench", "conn", "-c", "1", "-h", "127.0.0.1", "-p", $"{node.EndPoint.Port}", "--ws", "/mqtt"], environment);
        Assert.True(opened.ExitCode == 0, opened.Output);
    }

    [Fact]
    public async Task Bench_Help_TellsDurationsAsTheyAreWritten()
    {
        var help = await ActorLbProcess.RunAsync("bench", "pub", "--help");
        Assert.Contains("(a plain number is in seconds) [30s]", help.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("00:00", help.Output, StringComparison.Ordinal);
    }
}
