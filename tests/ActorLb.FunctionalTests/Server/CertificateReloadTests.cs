using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Certificates renewed from outside, as an operator does it: files, the command, the signal.</summary>
public sealed class CertificateReloadTests : IAsyncDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly NodeFiles _files = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);

    public async ValueTask DisposeAsync()
    {
        await _broker.DisposeAsync();
        _files.Dispose();
        _ca.Dispose();
    }

    [Fact]
    public async Task Reload_NewPairThenABadOne_NewClientsGetTheLastGoodOneAndTheOpenOneGoesOn()
    {
        TestCertificate one = _ca.Server(["one.test"]), two = _ca.Server(["two.test"]), three = _ca.Server(["three.test"]), other = _ca.Server(["other.test"]);
        Write(one.CertificatePath, one.KeyPath);
        await using var node = await _files.StartAsync();
        await using var open = await SecureClient.ConnectAsync(_files.Front);
        await open.SendAsync(ConnectBytes.V311("open"));
        Assert.Equal(FakeBroker.ConnackBytes(0), await open.ReadAsync(4));
        Assert.Equal("CN=one.test", await ServedAsync());

        // Other files by the command, then new content by the signal.
        Write(two.CertificatePath, two.KeyPath);
        var reload = await NodeFiles.RunAsync("reload", _files.Path);
        Assert.Equal((0, "reloaded"), (reload.ExitCode, reload.Lines[^1]));
        Assert.Equal("CN=two.test", await ServedAsync());
        await EchoesAsync(open);

        File.Copy(three.CertificatePath, two.CertificatePath, overwrite: true);
        File.Copy(three.KeyPath, two.KeyPath, overwrite: true);
        await SignalAsync(node, "applied");
        Assert.Equal("CN=three.test", await ServedAsync());
        await EchoesAsync(open);

        File.Copy(other.KeyPath, two.KeyPath, overwrite: true);
        string told = $"{_files.Path}:12:7: actorlb.listeners.mqtt.tls.key: '{two.KeyPath}' does not belong to the certificate {two.CertificatePath}";
        var rejected = await NodeFiles.RunAsync("reload", _files.Path);
        Assert.Equal(1, rejected.ExitCode);
        Assert.Contains(rejected.Lines, l => l.StartsWith("error: " + told, StringComparison.Ordinal));
        Assert.Equal("CN=three.test", await ServedAsync());

        int before = node.Process.Lines.Count;
        await SignalAsync(node, "rejected, the old configuration stays");
        Assert.Contains(node.Process.Lines.Skip(before), l => l.Contains("reload: " + told, StringComparison.Ordinal));
        Assert.Equal("CN=three.test", await ServedAsync());
        await EchoesAsync(open);
    }

    /// <summary>The key stands at 12:7.</summary>
    private void Write(string certificate, string key) => _files.Write($"backends = [\"{_broker.EndPoint}\"]", $$"""
        tls {
        certificate = "{{certificate}}"
        key = "{{key}}"
        }
        """);

    private async Task SignalAsync(ActorLbProcess node, string outcome)
    {
        int from = node.Process.Lines.Count;
        node.Process.Signal(ProcessHost.SigHup);
        string line = await node.Process.WaitForLineAsync(l => l.Contains($"configuration {_files.Path}: ", StringComparison.Ordinal), from: from);
        Assert.EndsWith(": " + outcome, line, StringComparison.Ordinal);
    }

    private async Task<string> ServedAsync()
    {
        await using var client = await SecureClient.ConnectAsync(_files.Front);
        return client.Stream.RemoteCertificate!.Subject;
    }

    private static async Task EchoesAsync(SecureClient client)
    {
        byte[] publish = ConnectBytes.Publish("t", "still here"u8);
        await client.SendAsync(publish);
        Assert.Equal(publish, await client.ReadAsync(publish.Length));
    }
}
