using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>What is no TLS, or not all of it: a reason in the log, and nothing left behind.</summary>
public sealed class FuzzTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private TestNode _node = null!;

    public async ValueTask InitializeAsync() =>
        _node = await TestNode.StartAsync(TestNode.Backends(_broker), TlsListener.With(_ca.Server(["localhost"])));

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Fact]
    public async Task Bytes_AtRandom_AreRefusedWithAReason()
    {
        var random = new Random(11);
        await SendAll(Enumerable.Range(0, 300).Select(i =>
        {
            byte[] bytes = new byte[random.Next(1, 2000)];
            random.NextBytes(bytes);
            // Half of them look like a handshake record at first (RFC 8446, section 5.1).
            if (i % 2 == 0 && bytes.Length > 5)
                (bytes[0], bytes[1], bytes[2]) = (22, 3, 1);
            return bytes;
        }));
    }

    [Fact]
    public async Task Hello_CutShort_IsRefusedWithAReason()
    {
        byte[] hello = await HelloBytes.TakeAsync();
        await SendAll(Enumerable.Range(1, hello.Length - 1).Where(i => i < 12 || i % 9 == 0).Select(i => hello[..i]));
    }

    [Fact]
    public async Task Hello_WithOneByteChanged_IsRefusedWithAReason()
    {
        byte[] hello = await HelloBytes.TakeAsync();
        var random = new Random(12);
        await SendAll(Enumerable.Range(0, 250).Select(_ =>
        {
            byte[] changed = (byte[])hello.Clone();
            changed[random.Next(changed.Length)] ^= (byte)random.Next(1, 256);
            return changed;
        }));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request")]
    [InlineData("\u0010\u000d\0\u0004MQTT\u0004\u0002\0\u003c\0\u0001a", "wrong version number")]
    public async Task AnotherProtocol_OnTheTlsPort_IsNamed(string sent, string reason)
    {
        await SendAll([Encoding.Latin1.GetBytes(sent)]);
        await _node.Log.LineAsync(l => l.Text.Contains(reason, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-tls1")]
    [InlineData("-tls1_1")]
    public async Task Version_TooOld_GetsTheAlertForIt(string version)
    {
        string output = await OpenSslClient.FailAsync(_node.EndPoint, version, "-cipher", "ALL:@SECLEVEL=0");
        Assert.Contains("alert number 70", output, StringComparison.Ordinal);
        await _node.UntilClosedAsync(CloseReason.TlsFailed);
        await _node.Log.LineAsync(l => l.Text.Contains("TLS handshake failed: unsupported protocol", StringComparison.Ordinal));
    }

    /// <summary>Sends each and ends; waits until the node has let go of all.</summary>
    private async Task SendAll(IEnumerable<byte[]> streams)
    {
        int sockets = Descriptors.CountSockets(Environment.ProcessId);
        int count = 0;
        foreach (byte[] bytes in streams)
        {
            using var client = await RawClient.ConnectAsync(_node.EndPoint);
            await client.SendAsync(bytes);
            try
            {
                client.HalfClose();
            }
            catch (SocketException)
            {
                // It was faster.
            }

            await client.ReadToEndAsync();
            count++;
        }

        await _node.UntilAsync(() => _node.Node.Admission.Active == 0);
        await _node.UntilClosedAsync(CloseReason.TlsFailed, count);
        string[] reasons = [.. _node.Log.Lines.Where(l => l.Text.Contains("TLS handshake failed: ", StringComparison.Ordinal)).Select(l => l.Text)];
        Assert.NotEmpty(reasons);
        Assert.DoesNotContain(reasons, r => r.EndsWith(": ", StringComparison.Ordinal) || r.EndsWith("unknown", StringComparison.Ordinal));
        Assert.Equal(0, _broker.Accepted);
        await _node.UntilAsync(() => _node.Node.Handshakes.Handshakes == 0);
        await _node.UntilAsync(() => Descriptors.CountSockets(Environment.ProcessId) <= sockets);
    }
}
