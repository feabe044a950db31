using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A client resumes its session on any node that has the ticket key.</summary>
public sealed class ResumptionTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestNode _one = null!;
    private TestNode _two = null!;

    public async ValueTask InitializeAsync()
    {
        string keys = _ca.Write("ticket.key", [.. Enumerable.Range(1, 80).Select(i => (byte)(i * 3))]);
        string listener = TlsListener.With(_ca.Server(["localhost"]), $"ticket-key-file = \"{keys}\"");
        _one = await TestNode.StartAsync(TestNode.Backends(_broker), listener);
        _two = await TestNode.StartAsync(TestNode.Backends(_broker), listener);
    }

    public async ValueTask DisposeAsync()
    {
        await _two.DisposeAsync();
        await _one.DisposeAsync();
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Theory]
    [InlineData("-tls1_2", "TLSv1.2", "Verify return code")]
    [InlineData("-tls1_3", "TLSv1.3", "Post-Handshake New Session Ticket arrived")]
    public async Task Session_OfOneNode_IsResumedOnTheOther(string option, string version, string until)
    {
        string session = Path.Combine(_ca.Directory, "session");
        string first = await OpenSslClient.TalkAsync(_one.EndPoint, until, option, "-sess_out", session);
        Assert.Contains($"New, {version}", first, StringComparison.Ordinal);

        // In TLS 1.3 each comes with the ticket for the next: waiting for it is part of the test.
        foreach (var node in new[] { _two, _one, _two })
        {
            string next = await OpenSslClient.TalkAsync(node.EndPoint, until, option, "-sess_in", session, "-sess_out", session);
            Assert.Contains($"Reused, {version}", next, StringComparison.Ordinal);
        }

        // A client may have its ticket before the handshake is counted.
        await _two.UntilAsync(() => (_two.Sum(c => c.TlsHandshakes), _two.Sum(c => c.TlsResumed)) == (2, 2));
        await _one.UntilAsync(() => (_one.Sum(c => c.TlsHandshakes), _one.Sum(c => c.TlsResumed)) == (2, 1));
    }

    [Theory]
    [InlineData("-tls1_2", "Verify return code")]
    [InlineData("-tls1_3", "Post-Handshake New Session Ticket arrived")]
    public async Task Session_AfterReload_IsResumed(string option, string until)
    {
        string text = TestNode.Text(TestNode.Backends(_broker), TlsListener.With(_ca.Server(["localhost"])));
        await using var node = await TestNode.StartTextAsync(text);
        string session = Path.Combine(_ca.Directory, "session");
        await OpenSslClient.TalkAsync(node.EndPoint, until, option, "-sess_out", session);
        await node.ReloadAsync(text);
        Assert.Contains("Reused, TLSv1", await OpenSslClient.TalkAsync(node.EndPoint, until, option, "-sess_in", session), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-tls1_2", "Verify return code")]
    [InlineData("-tls1_3", "Post-Handshake New Session Ticket arrived")]
    public async Task KeyFile_Rotated_ResumesUntilTheOldKeyIsGone(string option, string until)
    {
        byte[] old = [.. Enumerable.Range(1, 80).Select(i => (byte)i)], fresh = [.. Enumerable.Range(1, 80).Select(i => (byte)(i * 5))];
        string keys = _ca.Write("rotated.key", old);
        string text = TestNode.Text(TestNode.Backends(_broker), TlsListener.With(_ca.Server(["localhost"]), $"ticket-key-file = \"{keys}\""));
        await using var node = await TestNode.StartTextAsync(text);
        string before = Path.Combine(_ca.Directory, "before"), between = Path.Combine(_ca.Directory, "between");
        Task<string> Talk(params string[] arguments) => OpenSslClient.TalkAsync(node.EndPoint, until, [option, .. arguments]);
        await Talk("-sess_out", before);

        File.WriteAllBytes(keys, [.. fresh, .. old]);
        await node.ReloadAsync(text);
        Assert.Contains("Reused, TLSv1", await Talk("-sess_in", before), StringComparison.Ordinal);
        Assert.Contains("New, TLSv1", await Talk("-sess_out", between), StringComparison.Ordinal);

        File.WriteAllBytes(keys, fresh);
        await node.ReloadAsync(text);
        Assert.Contains("New, TLSv1", await Talk("-sess_in", before), StringComparison.Ordinal);
        Assert.Contains("Reused, TLSv1", await Talk("-sess_in", between), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_OfKeyFileNamedNoLonger_IsNotResumed()
    {
        string keys = _ca.Write("old.key", [.. Enumerable.Range(1, 80).Select(i => (byte)i)]);
        var server = _ca.Server(["localhost"]);
        string Text(string more) => TestNode.Text(TestNode.Backends(_broker), TlsListener.With(server, more));
        await using var node = await TestNode.StartTextAsync(Text($"ticket-key-file = \"{keys}\""));
        string session = Path.Combine(_ca.Directory, "session");
        await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-tls1_2", "-sess_out", session);
        await node.ReloadAsync(Text(""));
        Assert.Contains(
            "New, TLSv1.2", await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-tls1_2", "-sess_in", session), StringComparison.Ordinal);
    }
}
