using ActorLb.Proxying;

namespace ActorLb.Tests.Proxying;

public sealed class SessionListTests
{
    [Fact]
    public void AddAndRemove_InAnyOrder_KeepsTheOrderOfAdding()
    {
        var random = new Random(7);
        var list = new SessionList();
        var expected = new List<Session>();
        for (int i = 0; i < 2000; i++)
        {
            if (expected.Count == 0 || random.Next(3) > 0)
            {
                var session = new Session(null!);
                list.Add(session);
                expected.Add(session);
            }
            else
            {
                int at = random.Next(3) switch { 0 => 0, 1 => expected.Count - 1, _ => random.Next(expected.Count) };
                list.Remove(expected[at]);
                Assert.Null(expected[at].Within);
                expected.RemoveAt(at);
            }
            Assert.Equal((expected.Count, expected.FirstOrDefault()), (list.Count, list.Oldest));
        }
        foreach (var session in expected)
        {
            Assert.Same(session, list.Oldest);
            list.Remove(session);
        }
        Assert.Null(list.Oldest);
    }

    [Fact]
    public void AddByTicket_KeepsTheOrderOfTickets()
    {
        var random = new Random(7);
        var list = new SessionList();
        long[] tickets = [.. Enumerable.Range(1, 500).Select(t => (long)t)];
        random.Shuffle(tickets);
        Session[] sessions = [.. tickets.Select(t => new Session(null!) { Setup = new Setup { Ticket = t } })];
        foreach (var session in sessions) list.AddByTicket(session);
        foreach (var session in sessions.Where(s => s.Setup!.Ticket % 3 == 0)) list.Remove(session);
        var seen = new List<long>();
        for (var session = list.Oldest; session is not null; session = session.Newer) seen.Add(session.Setup!.Ticket);
        Assert.Equal(tickets.Where(t => t % 3 != 0).Order(), seen);
        Assert.Equal(seen.Count, list.Count);
        while (list.Oldest is { } oldest) list.Remove(oldest);
        Assert.Equal(0, list.Count);
    }

    [Fact]
    public void Add_OfASessionOfAnotherList_MovesIt()
    {
        SessionList one = new(), other = new();
        var session = new Session(null!);
        one.Add(session);
        other.Add(session);
        Assert.Equal((0, 1), (one.Count, other.Count));
        Assert.Same(other, session.Within);
        // To the end of its own list, too.
        var second = new Session(null!);
        other.Add(second);
        other.Add(session);
        Assert.Same(second, other.Oldest);
    }
}
