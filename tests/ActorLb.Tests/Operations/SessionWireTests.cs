using System.Text;
using ActorLb.Fleet.Inquiries;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;

namespace ActorLb.Tests.Operations;

/// <summary>Sessions are transferred completely and within an inquiry's limits, whatever ids clients choose.</summary>
public sealed class SessionWireTests
{
    private static readonly DateTimeOffset Then = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);

    [Fact]
    public void Page_Written_IsReadTheSame()
    {
        var page = new SessionPage([Session("ü\u0001meter", "10.0.0.1:1883"), Session(null, null)], "1.77");
        var read = SessionWire.ReadPage(SessionWire.WritePage(page), "lb-2");
        Assert.Equal(page.Sessions.Select(s => s with { Node = "lb-2" }), read.Sessions);
        Assert.Equal("1.77", read.Next);
        Assert.Null(SessionWire.ReadPage(SessionWire.WritePage(new SessionPage([], null)), "lb-2").Next);
    }

    [Fact]
    public void Top_Written_IsReadTheSame()
    {
        var session = Session("a", "10.0.0.1:1883");
        TopClient[] top = [new("a", 9, ["lb-1"], session), new(null, 7, ["lb-1"], session with { ClientId = null }), new("c", 5, ["lb-1"], null)];
        var read = SessionWire.ReadTop(SessionWire.WriteTop(top), "lb-1");
        Assert.Equal(top.Select(t => (t.ClientId, t.Value, t.Nodes[0], t.Session)), read.Select(t => (t.ClientId, t.Value, t.Nodes[0], t.Session)));
    }

    /// <summary>The last release sends these bytes, which must keep their meaning.</summary>
    [Fact]
    public void Messages_AsRecorded_StillMeanTheSame()
    {
        const string Page =
            "0300312E3701005C0000000301006109003132372E302E302E3101006C0100700100620500332E312E310B0065737461626C6973686564"
            + "DC050000000000007B68E5CF8B0100000100000000000000020000000000000003000000000000000400000000000000";
        SessionInfo session = new("a", "127.0.0.1", "l", "p", "b", "3.1.1", "established", 1.5, 1, 2, "n") { Since = Then, PacketsSent = 3, PacketsReceived = 4 };
        Assert.Equal(Page, Convert.ToHexString(SessionWire.WritePage(new SessionPage([session], "1.7"))));
        Assert.Equal(session, Assert.Single(SessionWire.ReadPage(Convert.FromHexString(Page), "n").Sessions));
        Assert.Equal("01007801007901007A", Convert.ToHexString(SessionWire.WriteKick("x", "y", "z")));
        Assert.Equal("01010000007800000A00000014000000", Convert.ToHexString(SessionWire.WriteList("x", isClientId: true, null, 10, 20)));
        Assert.Equal("05000000", Convert.ToHexString(SessionWire.WriteNumber(5)));
        Assert.Equal([0, 1, 2], new[] { (int)TopBy.Bytes, (int)TopBy.Packets, (int)TopBy.Connects });
    }

    [Fact]
    public void Session_WithMoreAtItsEnd_IsOfALaterRelease()
    {
        byte[] bytes = SessionWire.WritePage(new SessionPage([Session("a", "b")], null));
        // After "next" and the count comes the first session's length.
        bytes[4] += 2;
        var read = SessionWire.ReadPage([.. bytes, 1, 2], "n");
        Assert.Equal("a", Assert.Single(read.Sessions).ClientId);
    }

    [Fact]
    public void Message_CutAnywhere_IsRefused()
    {
        byte[] page = SessionWire.WritePage(new SessionPage([Session("a", "b"), Session("c", null)], "0.1"));
        byte[] top = SessionWire.WriteTop([new TopClient("a", 1, ["n"], Session("a", "b")), new TopClient("c", 1, ["n"], null)]);
        byte[] list = SessionWire.WriteList("meter", isClientId: false, "0.1", 10, 20), kick = SessionWire.WriteKick("x", "y", "z");
        for (int i = 0; i < page.Length; i++) Assert.Throws<FormatException>(() => SessionWire.ReadPage(page.AsSpan(0, i), "n"));
        for (int i = 0; i < top.Length; i++) Assert.Throws<FormatException>(() => SessionWire.ReadTop(top.AsSpan(0, i), "n"));
        for (int i = 0; i < list.Length; i++) Assert.Throws<FormatException>(() => SessionWire.ReadList(list.AsSpan(0, i)));
        for (int i = 0; i < kick.Length; i++) Assert.Throws<FormatException>(() => SessionWire.ReadKick(kick.AsSpan(0, i)));
    }

    [Fact]
    public void Answers_OfTheLongestIds_FitIntoAnInquiry()
    {
        string longest = new('\u0001', 65_535), name = new('n', 64);
        SessionInfo Large(string id) => new(id, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", name, name, new string('b', 260), "3.1.1", "backend-setup", 1e6, long.MaxValue, 1, "n");
        // A node ends a page after the id that exceeds the byte limit.
        int rest = SessionWire.PageBytes - 1;
        var page = Enumerable.Range(0, SessionWire.PageSessions - 1)
            .Select(_ => Large(new string('x', rest / (SessionWire.PageSessions - 1)))).Append(Large(longest));
        Assert.InRange(SessionWire.WritePage(new SessionPage([.. page], "1.1")).Length, 1, InquiryLimits.MaxBody);
        string cut = new string('x', 1024) + "...";
        Assert.InRange(SessionWire.WriteTop([.. Enumerable.Repeat(new TopClient(cut, 1, ["n"], Large(cut)), SessionWire.TopClients)]).Length, 1, InquiryLimits.MaxBody);
        Assert.InRange(SessionWire.WriteKick(longest, name, new string('x', 1000)).Length, 1, InquiryLimits.MaxBody);
        Assert.InRange(SessionWire.WriteList(longest, isClientId: true, "1.1", 1, 1).Length, 1, InquiryLimits.MaxBody);
        Assert.Equal(65_535, Encoding.UTF8.GetByteCount(longest));
    }

    private static SessionInfo Session(string? id, string? backend) =>
        new(id, "127.0.0.1:5", "mqtt", "emqx", backend, "5", "established", 1.25, 1, 2, "lb-1") { Since = Then, PacketsSent = 3, PacketsReceived = 4 };
}
