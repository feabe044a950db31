using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using ActorLb.Balancing.Discovery;

namespace ActorLb.Tests.Balancing.Discovery;

public sealed class SrvTests
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

    [Fact]
    public void Answer_TwoRecords_Read()
    {
        byte[] question = DnsMessage.Question(0x1234, "_mqtt._tcp.example");
        List<SrvRecord> records = [];

        Assert.Equal(DnsOutcome.Ok, DnsMessage.Answer(Answer(question), question, records));
        Assert.Equal(Records, records);
    }

    [Fact]
    public void Answer_EveryTruncation_InvalidNeverThrows()
    {
        byte[] question = DnsMessage.Question(0x1234, "_mqtt._tcp.example");
        byte[] answer = Answer(question);
        for (int length = 0; length < answer.Length; length++)
        {
            Assert.Equal(DnsOutcome.Invalid, DnsMessage.Answer(answer.AsSpan(0, length), question, []));
        }
    }

    [Fact]
    public void Answer_EveryByteChanged_NeverThrows()
    {
        byte[] question = DnsMessage.Question(0x1234, "_mqtt._tcp.example");
        byte[] answer = Answer(question);
        int read = 0;
        for (int i = 0; i < answer.Length; i++)
        {
            byte kept = answer[i];
            for (int value = 0; value < 256; value++)
            {
                answer[i] = (byte)value;
                read += DnsMessage.Answer(answer, question, []) == DnsOutcome.Ok ? 1 : 0;
            }

            answer[i] = kept;
        }

        Assert.True(read > 0);
    }

    [Theory]
    [InlineData(0, 0, DnsOutcome.Invalid)]
    [InlineData(2, 0x83, DnsOutcome.Truncated)]
    [InlineData(2, 0x01, DnsOutcome.Invalid)]
    [InlineData(3, 0x83, DnsOutcome.None)]
    [InlineData(3, 0x82, DnsOutcome.ServerError)]
    [InlineData(7, 0, DnsOutcome.None)]
    public void Answer_Header_Outcome(int at, byte value, object expected)
    {
        byte[] question = DnsMessage.Question(0x1234, "_mqtt._tcp.example");
        byte[] answer = Answer(question);
        answer[at] = value;

        Assert.Equal(expected, DnsMessage.Answer(answer, question, []));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a..b")]
    [InlineData("1234567890123456789012345678901234567890123456789012345678901234.example")]
    public void Question_BadName_Throws(string name) => Assert.Throws<FormatException>(() => DnsMessage.Question(1, name));

    [Theory]
    [InlineData("nameserver 10.0.0.1\nnameserver ::1 # here\nsearch a.b c.\noptions ndots:2 rotate\n", "10.0.0.1:53 [::1]:53", "x.a.b x.c x")]
    [InlineData("; nothing\nnameserver nonsense\n", "127.0.0.1:53", "x")]
    [InlineData("domain d.e\n", "127.0.0.1:53", "x.d.e x")]
    public void ResolverSettings_Text_Parsed(string text, string servers, string candidates)
    {
        ResolverSettings settings = ResolverSettings.Parse(text);

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
    public async Task Client_FakeServer_AnswersOverUdpAndTcp(bool truncate)
    {
        (Socket udp, TcpListener tcp) = ListenOnBoth();
        using Socket udpUntilEnd = udp;
        using TcpListener tcpUntilEnd = tcp;
        IPEndPoint server = (IPEndPoint)udp.LocalEndPoint!;
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(20));
        SrvClient client = new(() => new ResolverSettings([server], ["no.example"], Dots: 1), TimeProvider.System);
        Task<IReadOnlyList<SrvRecord>> asking = client.ResolveAsync("_mqtt._tcp.example", patience.Token);

        byte[] buffer = new byte[512];
        SocketReceiveFromResult got = await udp.ReceiveFromAsync(buffer, server, patience.Token);
        byte[] answer = Answer(buffer[..got.ReceivedBytes]);

        // A forged answer with another identifier is passed over.
        byte[] forged = [.. answer];
        forged[0] ^= 0xFF;
        await udp.SendToAsync(forged, got.RemoteEndPoint, patience.Token);
        if (truncate)
        {
            answer[2] |= 0x02;
            await udp.SendToAsync(answer, got.RemoteEndPoint, patience.Token);
            using TcpClient peer = await tcp.AcceptTcpClientAsync(patience.Token);
            byte[] prefix = new byte[2];
            await peer.GetStream().ReadExactlyAsync(prefix, patience.Token);
            byte[] question = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
            await peer.GetStream().ReadExactlyAsync(question, patience.Token);
            answer = Answer(question);
            BinaryPrimitives.WriteUInt16BigEndian(prefix, (ushort)answer.Length);
            await peer.GetStream().WriteAsync(prefix.Concat(answer).ToArray(), patience.Token);
            Assert.Equal(Records, await asking);
        }
        else
        {
            await udp.SendToAsync(answer, got.RemoteEndPoint, patience.Token);
            Assert.Equal(Records, await asking);
        }
    }

    [Fact]
    public async Task Client_NoSuchName_SaysSo()
    {
        using Socket udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        IPEndPoint server = (IPEndPoint)udp.LocalEndPoint!;
        SrvClient client = new(() => new ResolverSettings([server], [], Dots: 1), TimeProvider.System);
        Task asking = client.ResolveAsync("none.example", CancellationToken.None);
        byte[] buffer = new byte[512];
        SocketReceiveFromResult got = await udp.ReceiveFromAsync(buffer, server);
        buffer[2] = 0x81;
        buffer[3] = 0x83;
        await udp.SendToAsync(buffer.AsMemory(0, got.ReceivedBytes), got.RemoteEndPoint);

        IOException e = await Assert.ThrowsAsync<IOException>(() => asking);
        Assert.Equal("none.example has no SRV record", e.Message);
    }
}
