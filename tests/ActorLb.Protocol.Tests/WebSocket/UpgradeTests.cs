using System.Text;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Protocol.Tests.WebSocket;

public sealed class UpgradeTests
{
    private const string SampleKey = "dGhlIHNhbXBsZSBub25jZQ==";

    private static readonly UpgradeRules Rules = new(MalformedUpgrades.Path, MalformedUpgrades.Host) { Origins = [MalformedUpgrades.Origin] };

    public static TheoryData<MalformedUpgrade> Malformed => [.. MalformedUpgrades.All];

    public static TheoryData<string> ValidRequests =>
    [
        MalformedUpgrades.Valid,
        "GET /mqtt?token=a/b HTTP/1.1\r\nhost:MQTT.Example.COM:8083\r\nupgrade: foo, WebSocket\r\nCONNECTION: keep-alive,\t upgrade \r\n"
            + "sec-websocket-key:  " + SampleKey + " \r\nSec-WebSocket-Version:13\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\nContent-Length: 0\r\n\r\n",
        "GET http://mqtt.example.com/mqtt HTTP/1.1\r\nHost: ignored\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
            + SampleKey + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n"
            + "Sec-WebSocket-Extensions: permessage-deflate\r\nX-Empty:\r\n\r\n",
    ];

    [Fact]
    public void Request_Valid_FieldsRead()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(
            "GET /mqtt?u=1 HTTP/1.1\r\nHost: mqtt.example.com:80\r\nOrigin: https://app.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: " + SampleKey + "\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Protocol: mqttv3.1\r\n\r\n\x82");
        var request = Read(bytes);
        Assert.Equal(bytes.Length - 1, request.TotalLength);
        Expect.Bytes("/mqtt"u8, request.Path.In(bytes));
        Expect.Bytes("u=1"u8, request.Query.In(bytes));
        Expect.Bytes("mqtt.example.com:80"u8, request.Host.In(bytes));
        Expect.Bytes("mqtt.example.com"u8, request.HostName.In(bytes));
        Assert.Equal(SampleKey, Encoding.ASCII.GetString(request.Key.In(bytes)));
        Assert.Equal(MqttSubprotocol.MqttV31, request.Subprotocol);
        Expect.Bytes("https://app.example.com"u8, request.Origin.In(bytes));
    }

    [Theory]
    [MemberData(nameof(ValidRequests))]
    public void Request_EverySplitPoint_NeedMoreUntilWhole(string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(ReadStatus.NeedMore, UpgradeRequestReader.Read(bytes.AsSpan(0, length), Rules, out _, out var error));
            Assert.Equal(UpgradeError.None, error);
        }
        Assert.Equal(Read(bytes), Read([.. bytes, 0x82, 0x80]));
        Assert.Equal(MqttSubprotocol.Mqtt, Read(bytes).Subprotocol);
    }

    [Theory]
    [InlineData("[::1]", "[::1]:8083")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("a_b-c.d", "a_b-c.d:")]
    public void Request_Host_PortCutOff(string name, string host)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(MalformedUpgrades.Valid.Replace(MalformedUpgrades.Host, host, StringComparison.Ordinal));
        Assert.Equal(ReadStatus.Done, UpgradeRequestReader.Read(bytes, new UpgradeRules("/mqtt", name), out var request, out _));
        Assert.Equal(name, Encoding.ASCII.GetString(request.HostName.In(bytes)));
        Assert.Equal(ReadStatus.Done, UpgradeRequestReader.Read(bytes, new UpgradeRules("/mqtt"), out _, out _));
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Request_Malformed_RefusedAtEverySplitPoint(MalformedUpgrade sample)
    {
        bool refused = false;
        for (int length = 0; length <= sample.Bytes.Length; length++)
        {
            var status = UpgradeRequestReader.Read(sample.Bytes.AsSpan(0, length), Rules, out _, out var error);
            Assert.NotEqual(ReadStatus.Done, status);
            Assert.False(refused && status == ReadStatus.NeedMore, "a refusal was taken back");
            refused = status == ReadStatus.Invalid;
            Assert.Equal(refused ? sample.Expected : UpgradeError.None, error);
        }
        Assert.True(refused);
    }

    [Fact]
    public void Corpora_CoverEveryReason()
    {
        Assert.True(MalformedUpgrades.All.Count >= 40);
        Assert.Equal(MalformedUpgrades.All.Count, MalformedUpgrades.All.Select(m => m.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(
            Enum.GetValues<UpgradeError>().Where(e => UpgradeErrors.StatusOf(e) != 0).Order(),
            MalformedUpgrades.All.Select(m => m.Expected).Distinct().Order());
    }

    [Fact]
    public void Request_LongestHead_ReadAndOneMoreRefused()
    {
        string padding = new('c', UpgradeRequestReader.MaxLength - MalformedUpgrades.Valid.Length - "Cookie: \r\n".Length);
        string request = MalformedUpgrades.Valid[..^2] + "Cookie: " + padding + "\r\n\r\n";
        Assert.Equal(UpgradeRequestReader.MaxLength, Read(Encoding.ASCII.GetBytes(request)).TotalLength);
        byte[] longer = Encoding.ASCII.GetBytes(request.Replace("Cookie: ", "Cookie:  ", StringComparison.Ordinal));
        Assert.Equal(ReadStatus.Invalid, UpgradeRequestReader.Read(longer, Rules, out _, out var error));
        Assert.Equal(UpgradeError.HeadTooLong, error);
    }

    [Theory]
    [InlineData(UpgradeError.RequestLine, 400)]
    [InlineData(UpgradeError.Origin, 403)]
    [InlineData(UpgradeError.Repeated, 400)]
    [InlineData(UpgradeError.Path, 404)]
    [InlineData(UpgradeError.Method, 405)]
    [InlineData(UpgradeError.TargetTooLong, 414)]
    [InlineData(UpgradeError.HostUnknown, 421)]
    [InlineData(UpgradeError.NoUpgrade, 426)]
    [InlineData(UpgradeError.Version, 426)]
    [InlineData(UpgradeError.HeadTooLong, 431)]
    [InlineData(UpgradeError.TooManyFields, 431)]
    [InlineData(UpgradeError.HttpVersion, 505)]
    public void Refusal_HasItsStatus(UpgradeError error, int status)
    {
        string response = Encoding.ASCII.GetString(UpgradeErrors.ResponseFor(error));
        Assert.StartsWith($"HTTP/1.1 {status} ", response, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", response, StringComparison.Ordinal);
        Assert.Contains("close\r\n", response, StringComparison.Ordinal);
        Assert.Equal(status == 426, response.Contains("Sec-WebSocket-Version: 13", StringComparison.Ordinal));
    }

    [Fact]
    public void AcceptKey_OfTheSpecificationsExample()
    {
        // RFC 6455, 1.3.
        Span<byte> accept = stackalloc byte[AcceptKey.AcceptLength];
        AcceptKey.WriteAccept(Encoding.ASCII.GetBytes(SampleKey), accept);
        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Encoding.ASCII.GetString(accept));
    }

    [Fact]
    public void Response_Golden_ReadBack()
    {
        Span<byte> buffer = stackalloc byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(buffer, Encoding.ASCII.GetBytes(SampleKey), MqttSubprotocol.MqttV31);
        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqttv3.1\r\n\r\n",
            Encoding.ASCII.GetString(buffer[..length]));
        Assert.Equal((ReadStatus.Done, UpgradeError.None, 101), ReadResponse(buffer[..length], MqttSubprotocol.MqttV31, out int read));
        Assert.Equal(length, read);
    }

    [Fact]
    public void Response_EverySplitPoint_NeedMoreUntilWhole()
    {
        byte[] buffer = new byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(buffer, Encoding.ASCII.GetBytes(SampleKey), MqttSubprotocol.Mqtt);
        for (int i = 0; i < length; i++)
            Assert.Equal(ReadStatus.NeedMore, ReadResponse(buffer.AsSpan(0, i), MqttSubprotocol.Mqtt, out _).Status);
        Assert.Equal(ReadStatus.Done, ReadResponse(buffer.AsSpan(0, length), MqttSubprotocol.Mqtt, out _).Status);
    }

    [Theory]
    [InlineData("HTTP/1.1 101", "HTTP/1.0 101", UpgradeError.StatusLine)]
    [InlineData("HTTP/1.1 101", "HTTP/1.1 1x1", UpgradeError.StatusLine)]
    [InlineData("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 10", UpgradeError.StatusLine)]
    [InlineData("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 404 Not Found", UpgradeError.Status)]
    [InlineData("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 200 OK", UpgradeError.Status)]
    [InlineData("Upgrade: websocket", "Upgrade: h2c", UpgradeError.ResponseUpgrade)]
    [InlineData("Connection: Upgrade", "Connection: close", UpgradeError.ResponseConnection)]
    [InlineData("s3pP", "s3pQ", UpgradeError.Accept)]
    [InlineData("Sec-WebSocket-Accept", "Sec-WebSocket-Except", UpgradeError.Accept)]
    [InlineData("Protocol: mqtt", "Protocol: chat", UpgradeError.ResponseSubprotocol)]
    [InlineData("Protocol: mqtt", "Protocol: mqtt\r\nSec-WebSocket-Protocol: mqtt", UpgradeError.ResponseSubprotocol)]
    [InlineData("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate", UpgradeError.Extension)]
    [InlineData("Upgrade: websocket", "Upgrade websocket", UpgradeError.Field)]
    public void Response_Malformed_Refused(string part, string replacement, UpgradeError expected)
    {
        byte[] buffer = new byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(buffer, Encoding.ASCII.GetBytes(SampleKey), MqttSubprotocol.Mqtt);
        string valid = Encoding.ASCII.GetString(buffer.AsSpan(0, length));
        string malformed = valid.Replace(part, replacement, StringComparison.Ordinal);
        Assert.NotEqual(valid, malformed);
        Assert.Equal((ReadStatus.Invalid, expected), Two(ReadResponse(Encoding.ASCII.GetBytes(malformed), MqttSubprotocol.Mqtt, out _)));

        static (ReadStatus, UpgradeError) Two((ReadStatus Status, UpgradeError Error, int) result) => (result.Status, result.Error);
    }

    [Fact]
    public void Response_Endless_Refused()
    {
        byte[] bytes = Encoding.ASCII.GetBytes("HTTP/1.1 101 Switching Protocols\r\nA: " + new string('x', 9000));
        Assert.Equal((ReadStatus.Invalid, UpgradeError.HeadTooLong, 101), ReadResponse(bytes, MqttSubprotocol.Mqtt, out _));
        Assert.Equal(UpgradeError.StatusLine, ReadResponse("SSH-2.0-x"u8, MqttSubprotocol.Mqtt, out _).Error);
    }

    [Fact]
    public void RequestWriter_Golden_AcceptedByTheReader()
    {
        var values = new UpgradeRequestValues
        {
            Path = "/mqtt"u8,
            Host = "mqtt.example.com"u8,
            Key = Encoding.ASCII.GetBytes(SampleKey),
            Subprotocol = MqttSubprotocol.Mqtt,
            RemoteAddress = "192.0.2.9"u8,
        };
        byte[] buffer = new byte[UpgradeRequestWriter.MaxLength(values)];
        int length = UpgradeRequestWriter.Write(buffer, values);
        Assert.Equal(
            "GET /mqtt HTTP/1.1\r\nHost: mqtt.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\nX-Real-IP: 192.0.2.9\r\nREMOTE-HOST: 192.0.2.9\r\n"
            + "X-Forwarded-For: 192.0.2.9\r\n\r\n",
            Encoding.ASCII.GetString(buffer.AsSpan(0, length)));
        Assert.Equal(length, Read(buffer.AsSpan(0, length)).TotalLength);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(4000, 4000, 45)]
    public void RequestWriter_AnyLengths_WithinItsBound(int path, int query, int address)
    {
        var values = new UpgradeRequestValues
        {
            Path = new byte[path],
            Host = new byte[255],
            Key = new byte[AcceptKey.KeyLength],
            Subprotocol = MqttSubprotocol.MqttV31,
            RemoteAddress = new byte[address],
            Query = new byte[query],
        };
        int bound = UpgradeRequestWriter.MaxLength(values);
        Assert.InRange(UpgradeRequestWriter.Write(new byte[bound], values), 1, bound);
    }

    [Fact]
    public void Key_OfNonce_IsValid()
    {
        Span<byte> key = stackalloc byte[AcceptKey.KeyLength];
        AcceptKey.WriteKey("the sample nonce"u8, key);
        Assert.Equal(SampleKey, Encoding.ASCII.GetString(key));
        Assert.True(AcceptKey.IsValidKey(key));
    }

    [Fact]
    public void Numbers_Stable()
    {
        Assert.Equal(
            "None=0 RequestLine=1 Field=2 HeadTooLong=3 TooManyFields=4 TargetTooLong=5 Method=6 HttpVersion=7 Host=8 HostUnknown=9 Path=10 "
            + "Body=11 NoUpgrade=12 Connection=13 Key=14 VersionMissing=15 Version=16 Subprotocol=17 Origin=18 Repeated=19 StatusLine=32 Status=33 "
            + "ResponseUpgrade=34 ResponseConnection=35 Accept=36 ResponseSubprotocol=37 Extension=38",
            string.Join(' ', Enum.GetValues<UpgradeError>().Select(e => $"{e}={(int)e}")));
        Assert.All(Enum.GetValues<UpgradeError>(), e => Assert.NotEqual("unknown error", e.Text()));
        Assert.Equal(
            "None=0 ReservedBits=1 Opcode=2 Mask=3 Length=4 ControlLength=5 ControlFragment=6 NoMessageToContinue=7 MessageNotFinished=8 "
            + "Text=9 FrameTooLarge=10 MessageTooLarge=11 CloseCode=12 CloseReason=13",
            string.Join(' ', Enum.GetValues<FrameError>().Select(e => $"{e}={(int)e}")));
        Assert.All(Enum.GetValues<FrameError>(), e => Assert.NotEqual("unknown error", e.Text()));
    }

    private static UpgradeRequest Read(ReadOnlySpan<byte> bytes)
    {
        var status = UpgradeRequestReader.Read(bytes, Rules, out var request, out var error);
        Assert.Equal((ReadStatus.Done, UpgradeError.None), (status, error));
        return request;
    }

    private static (ReadStatus Status, UpgradeError Error, int Code) ReadResponse(ReadOnlySpan<byte> bytes, MqttSubprotocol offered, out int length)
    {
        var status = UpgradeResponseReader.Read(
            bytes, Encoding.ASCII.GetBytes(SampleKey), offered, out length, out int code, out var error);
        return (status, error, code);
    }
}
