using System.Text.RegularExpressions;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;

namespace ActorLb.Tests.Proxying;

public sealed partial class PhasesTests : IDisposable
{
    private readonly EpollReactor _reactor = BareServices.ReactorOf(BareServices.Create());

    public void Dispose() => _reactor.Dispose();

    /// <summary>The chart of docs/architecture.md has an arrow for each transition of the table, and no other.</summary>
    [Fact]
    public void Chart_OfTheDocumentation_IsTheTable()
    {
        string text = Chart().Match(File.ReadAllText(RepositoryRoot.File("docs", "architecture.md"))).Value;
        string[] drawn = [.. Arrow().Matches(text).Select(m => $"{m.Groups["from"].Value} {m.Groups["to"].Value}").Order(StringComparer.Ordinal)];
        string[] allowed = [.. from phase in Enum.GetValues<Phase>()
                               from next in Phases.Next(phase).ToArray()
                               where next != phase
                               select $"{Name(phase)} {Name(next)}"];
        Assert.Equal(allowed.Order(StringComparer.Ordinal), drawn);
    }

    [Fact]
    public void Table_HasEveryPhaseInOrder_AndLeadsToAllOfThem()
    {
        var seen = new HashSet<Phase> { Phase.Free };
        var left = new Queue<Phase>(seen);
        while (left.TryDequeue(out var phase))
        {
            foreach (var next in Phases.Next(phase))
            {
                if (seen.Add(next)) left.Enqueue(next);
            }
            Assert.True(Phases.MayFollow(phase, Phase.Free));
        }
        Assert.Equal(Enum.GetValues<Phase>(), seen.Order());
        Assert.All(Enum.GetValues<Phase>(), p => Assert.Equal(p, Phases.Described(p)));
    }

    [Fact]
    public void MoveTo_APhaseThatMayNotFollow_ThrowsAndCountsNothing()
    {
        var session = new Session(_reactor);
        session.MoveTo(Phase.ProxyHeader);
        Assert.Throws<InvalidOperationException>(() => session.MoveTo(Phase.Relay));
        Assert.Equal((Phase.ProxyHeader, 1, 0), (session.Phase, _reactor.Counters.Reading, _reactor.Counters.Relaying));
    }

    [Fact]
    public void MoveTo_FromAcceptToClose_LeavesTheGaugesAsTheyWere()
    {
        var session = new Session(_reactor);
        session.BringTo(Phase.ProxyHeader);
        Assert.Equal((1, 0, 0, 0), Gauges());
        session.MoveTo(Phase.Connect);
        session.MoveTo(Phase.Routing);
        Assert.Equal((0, 1, 0, 0), Gauges());
        session.MoveTo(Phase.Connack);
        session.MoveTo(Phase.Relay);
        Assert.Equal((0, 0, 1, 0), Gauges());
        session.MoveTo(Phase.Lingering);
        Assert.Equal((0, 0, 0, 1), Gauges());
        session.MoveTo(Phase.Free);
        Assert.Equal((0, 0, 0, 0), Gauges());
    }

    private (long Reading, long Connecting, long Relaying, long Lingering) Gauges() =>
        (_reactor.Counters.Reading, _reactor.Counters.Connecting, _reactor.Counters.Relaying, _reactor.Counters.Lingering);

    private static string Name(Phase phase) => phase == Phase.Free ? "[*]" : phase.ToString();

    [GeneratedRegex("```mermaid\nstateDiagram.*?```", RegexOptions.Singleline)]
    private static partial Regex Chart();

    [GeneratedRegex(@"^ +(?<from>\[\*\]|\w+) --> (?<to>\w+)$", RegexOptions.Multiline)]
    private static partial Regex Arrow();
}
