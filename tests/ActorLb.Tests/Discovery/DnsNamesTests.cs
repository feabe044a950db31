using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using ActorLb.Discovery;
using ActorLb.Testing;

namespace ActorLb.Tests.Discovery;

/// <summary>Questions to a name server of the test's own.</summary>
public sealed class DnsNamesTests
{
    /// <summary>An answer of two records: the owner by a pointer to the question, the second target compressed against the first.</summary>
    private static byte[] Answer(byte[] question)
    {
        int first = question.Length + 12 + 6;
        byte[] message =
        [
            .. question,
            0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 30, 0, 6 + 11, 0, 10, 0, 7, 0x07, 0x5B, 1, (byte)'a', 7, .. "example"u8, 0,
            0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 30, 0, 6 + 4, 0, 20, 0, 0, 0x07, 0x5C, 1, (byte)'b', 0xC0, (byte)(first + 2),
        ];
        message[2] = 0x81;
        message[3] = 0x80;
        message[7] = 2;
        return message;
    }

    private static readonly SrvRecord[] Records = [new(10, 7, 1883, "a.example"), new(20, 0, 1884, "b.example")];

    [Theory]
    [InlineData("nameserver 10.0.0.1\nnameserver ::1 # here\nsearch a.b c.\noptions ndots:2 rotate\n", "10.0.0.1:53 [::1]:53", "x.a.b x.c x")]
    [InlineData("; nothing\nnameserver nonsense\n", "127.0.0.1:53", "x")]
    [InlineData("domain d.e\n", "127.0.0.1:53", "x.d.e x")]
    public void ResolverSettings_Text_Parsed(string text, string servers, string candidates)
    {
        var settings = ResolverSettings.Parse(text);

        Assert.Equal(servers, string.Join(' ', settings.Servers));
        Assert.Equal(candidates, string.Join(' ', settings.Candidates("x")));
        Assert.Equal(["x."], settings.Candidates("x."));
    }

    /// <summary>One port that is free for both: what is free for UDP may be taken for TCP.</summary>
    private static (Socket Udp, TcpListener Tcp) ListenOnBoth()
    {
        for (int attempt = 1; ; attempt++)
        {
            Socket udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            TcpListener tcp = new((IPEndPoint)udp.LocalEndPoint!);
            try
            {
                tcp.Start();
                return (udp, tcp);
            }
            catch (SocketException) when (attempt < 20)
            {
                tcp.Dispose();
                udp.Dispose();
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Services_OfAServer_OverUdpAndTcp(bool truncate)
    {
        (var udp, var tcp) = ListenOnBoth();
        using var udpUntilEnd = udp;
        using var tcpUntilEnd = tcp;
        var server = (IPEndPoint)udp.LocalEndPoint!;
        using CancellationTokenSource patience = new(Wait.Patience);
        DnsNames names = new(() => new ResolverSettings([server], ["no.example"], Dots: 1));
        var asking = names.ServicesAsync("_mqtt._tcp.example", patience.Token);

        (byte[] question, var asker) = await ReceiveAsync(udp, patience.Token);
        Assert.Equal("_mqtt._tcp.example 33", Asked(question));
        byte[] answer = Answer(question);

        // A forged answer with another identifier does not count, whether or not the question is asked again for it.
        byte[] forged = Answer(question);
        forged[0] ^= 0xFF;
        await udp.SendToAsync(forged, asker, patience.Token);
        if (truncate)
        {
            answer[2] |= 0x02;
            await udp.SendToAsync(answer, asker, patience.Token);
            _ = AnswerAllAsync(udp, q => { byte[] a = Answer(q); a[2] |= 0x02; return a; }, patience.Token);
            using var peer = await tcp.AcceptTcpClientAsync(patience.Token);
            byte[] prefix = new byte[2];
            await peer.GetStream().ReadExactlyAsync(prefix, patience.Token);
            byte[] framed = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
            await peer.GetStream().ReadExactlyAsync(framed, patience.Token);
            answer = Answer(QuestionOf(framed));
            BinaryPrimitives.WriteUInt16BigEndian(prefix, (ushort)answer.Length);
            await peer.GetStream().WriteAsync(prefix.Concat(answer).ToArray(), patience.Token);
        }
        else
        {
            await udp.SendToAsync(answer, asker, patience.Token);
            _ = AnswerAllAsync(udp, Answer, patience.Token);
        }
        Assert.Equal(Records, await asking);
        await patience.CancelAsync();
    }

    /// <summary>A guessed identifier is not enough.</summary>
    [Fact]
    public async Task Answer_ToAnotherQuestion_DoesNotCount()
    {
        int answered = 0;
        using Server server = new(question =>
        {
            byte[] answer = Answer(question);
            if (Interlocked.Increment(ref answered) > 1) return answer;
            // The second letter of the name that was asked for, and the port of the first record.
            answer[14] = (byte)'z';
            answer[question.Length + 17] = 0xFF;
            return answer;
        });
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        Assert.Equal(Records, await names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None));
        Assert.Equal(2, answered);
    }

    [Fact]
    public async Task Services_OfNoSuchName_SaysSo_AfterEveryCompletion()
    {
        using Server server = new(question => Empty(question, code: 3));
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], ["one.example", "two.example"], Dots: 2));
        var e = await Assert.ThrowsAsync<IOException>(() => names.ServicesAsync("none.here", CancellationToken.None));
        Assert.Equal("none.here has no SRV record", e.Message);
        Assert.Equal(["none.here.one.example 33", "none.here.two.example 33", "none.here 33"], server.Asked);
    }

    [Fact]
    public async Task Services_ThatAreDecidedlyNotThere_OrHaveNoPort_AreNone()
    {
        using Server server = new(question =>
        [
            .. Head(question, answers: 2),
            0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 30, 0, 7, 0, 10, 0, 7, 0x07, 0x5B, 0,
            0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 30, 0, 9, 0, 10, 0, 7, 0, 0, 1, (byte)'a', 0,
        ]);
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        await Assert.ThrowsAsync<IOException>(() => names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None));
    }

    [Fact]
    public async Task Services_OfAServerThatRefuses_AreAskedOfTheNext()
    {
        using Server refusing = new(question => Empty(question, code: 5));
        using Server good = new(Answer);
        DnsNames names = new(() => new ResolverSettings([refusing.EndPoint, good.EndPoint], [], Dots: 1));
        Assert.Equal(Records, await names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None));
        names = new DnsNames(() => new ResolverSettings([refusing.EndPoint], [], Dots: 1));
        var e = await Assert.ThrowsAsync<IOException>(() => names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None));
        Assert.Contains("SRV records of _mqtt._tcp.example cannot be resolved", e.Message, StringComparison.Ordinal);
        Assert.Contains(refusing.EndPoint.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a..b")]
    [InlineData("1234567890123456789012345678901234567890123456789012345678901234.example")]
    public async Task Name_ThatIsNone_IsAnErrorAndNoQuestion(string name)
    {
        using Server server = new(Answer);
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        var e = await Assert.ThrowsAsync<IOException>(() => names.ServicesAsync(name, CancellationToken.None));
        Assert.Contains(name, e.Message, StringComparison.Ordinal);
        Assert.Empty(server.Asked);
    }

    /// <summary>Whatever a server sends is an answer or an error.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(12)]
    [InlineData(40)]
    [InlineData(60)]
    public async Task Answer_CutOff_IsAnError(int length)
    {
        using Server server = new(question => Answer(question)[..length]);
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        await Assert.ThrowsAsync<IOException>(() => names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Server_ThatIsSilent_IsGivenUpInTime_AndTheWaitCanBeEnded()
    {
        using Server server = new(_ => []);
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => names.ServicesAsync("_mqtt._tcp.example", soon.Token));
        var asking = names.ServicesAsync("_mqtt._tcp.example", CancellationToken.None);
        await Assert.ThrowsAsync<IOException>(() => asking.WaitAsync(Wait.Patience));
    }

    [Fact]
    public async Task Addresses_OfV4_AreEnough_ElseThoseOfV6()
    {
        using Server server = new(question => TypeOf(question) switch
        {
            1 when Asked(question).StartsWith("four.", StringComparison.Ordinal) => [.. Head(question, answers: 2), .. Address(10, 0, 0, 1), .. Address(10, 0, 0, 2)],
            28 when Asked(question).StartsWith("six.", StringComparison.Ordinal) => [.. Head(question, answers: 1), 0xC0, 12, 0, 28, 0, 1, 0, 0, 0, 30, 0, 16, .. IPAddress.IPv6Loopback.GetAddressBytes()],
            _ => Empty(question, code: 0),
        });
        DnsNames names = new(() => new ResolverSettings([server.EndPoint], [], Dots: 1));
        Assert.Equal(["10.0.0.1", "10.0.0.2"], (await names.AddressesAsync("four.example", CancellationToken.None)).Select(a => a.ToString()));
        Assert.Equal(["::1"], (await names.AddressesAsync("six.example", CancellationToken.None)).Select(a => a.ToString()));
        Assert.Empty(await names.AddressesAsync("none.example", CancellationToken.None));
        Assert.Equal(["four.example 1", "six.example 1", "six.example 28", "none.example 1", "none.example 28"], server.Asked);
    }

    [Theory]
    [InlineData("localhost", "127.0.0.1 ::1")]
    [InlineData("LB-1.example.", "10.0.0.1")]
    [InlineData("lb-1", "10.0.0.1")]
    [InlineData("commented", "")]
    [InlineData("nobody", "")]
    public void Hosts_OfTheMachine_AreRead(string name, string addresses) => Assert.Equal(addresses, string.Join(' ', NameResolution.InHosts(
        "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n10.0.0.1  lb-1.example lb-1 # commented\nnonsense nobody\n# 1.2.3.4 nobody\n", name).Select(a => a.ToString())));

    [Fact]
    public async Task Localhost_NeedsNoServer() => Assert.Contains(IPAddress.Loopback, await NameResolution.OfSystem().Host("localhost", CancellationToken.None));

    private static byte[] Head(byte[] question, byte answers)
    {
        byte[] message = [.. question];
        message[2] = 0x81;
        message[3] = 0x80;
        message[7] = answers;
        return message;
    }

    private static byte[] Empty(byte[] question, byte code)
    {
        byte[] message = Head(question, answers: 0);
        message[3] |= code;
        return message;
    }

    private static byte[] Address(params byte[] address) => [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, .. address];

    private static int TypeOf(byte[] question) => question[^3];

    /// <summary>Such as "a.example 1".</summary>
    private static string Asked(byte[] question)
    {
        List<string> labels = [];
        for (int at = 12; question[at] != 0; at += question[at] + 1) labels.Add(System.Text.Encoding.ASCII.GetString(question, at + 1, question[at]));
        return $"{string.Join('.', labels)} {TypeOf(question)}";
    }

    /// <summary>Header and question, without what a client adds (RFC 6891).</summary>
    private static byte[] QuestionOf(byte[] message)
    {
        int at = 12;
        while (message[at] != 0) at += message[at] + 1;
        byte[] question = message[..(at + 5)];
        question[10] = question[11] = 0;
        return question;
    }

    private static async Task<(byte[] Question, EndPoint From)> ReceiveAsync(Socket udp, CancellationToken cancel)
    {
        byte[] buffer = new byte[4096];
        var got = await udp.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), cancel);
        return (QuestionOf(buffer[..got.ReceivedBytes]), got.RemoteEndPoint);
    }

    private static async Task AnswerAllAsync(Socket udp, Func<byte[], byte[]> answer, CancellationToken cancel, List<string>? asked = null)
    {
        try
        {
            while (true)
            {
                (byte[] question, var from) = await ReceiveAsync(udp, cancel);
                if (asked is not null) lock (asked) asked.Add(Asked(question));
                byte[] bytes = answer(question);
                if (bytes.Length > 0) await udp.SendToAsync(bytes, from, cancel);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    /// <summary>Answers every question over UDP.</summary>
    private sealed class Server : IDisposable
    {
        private readonly Socket _udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        private readonly CancellationTokenSource _end = new();
        private readonly List<string> _asked = [];

        public Server(Func<byte[], byte[]> answer)
        {
            _udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _ = AnswerAllAsync(_udp, answer, _end.Token, _asked);
        }

        public IPEndPoint EndPoint => (IPEndPoint)_udp.LocalEndPoint!;

        public string[] Asked
        {
            get
            {
                lock (_asked) return [.. _asked];
            }
        }

        public void Dispose()
        {
            _end.Cancel();
            _udp.Dispose();
            _end.Dispose();
        }
    }
}
