using System.Collections.Immutable;
using ActorLb.Fleet.Membership;
using ActorLb.Hosting;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Formation alone: nodes greet each other over links that the test cuts, with a clock that it advances.</summary>
public sealed class FormationTests
{
    private static readonly TimeSpan FormAfter = TimeSpan.FromSeconds(5);

    [Fact]
    public void Nodes_ThatAllHearEachOther_AreFormedByTheLowestAlone()
    {
        var world = new World(3);
        world.Run(TimeSpan.FromSeconds(3));

        Assert.Equal(["a"], world.Formers);
        Assert.All(world.Nodes, n => Assert.Equal("a", n.Cluster));
    }

    [Fact]
    public void Node_WithoutAMajority_WaitsForTheOthersAndFormsWhenTheyStayAway()
    {
        var world = new World(3);
        world.Stop("a", "b");
        world.Run(FormAfter - TimeSpan.FromMilliseconds(400));
        Assert.Empty(world.Formers);

        world.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(["c"], world.Formers);
    }

    [Fact]
    public void Minority_ThatHearsEachOther_FormsOneFleetAfterAWhile()
    {
        var world = new World(5);
        world.Stop("a", "b", "c");
        world.Run(FormAfter + TimeSpan.FromSeconds(2));

        Assert.Equal(["d"], world.Formers);
        Assert.Equal("d", world["e"].Cluster);
    }

    [Fact]
    public void Majority_ThatIsOnlyHeardOneWay_FormsNothing()
    {
        var world = new World(3);
        // c hears all others, but none of them hears c.
        world.Cut("c", "a", bothWays: false);
        world.Cut("c", "b", bothWays: false);
        world.Stop("a");
        world.Run(FormAfter - TimeSpan.FromSeconds(1));

        Assert.Empty(world.Formers);
    }

    [Fact]
    public void Lowest_ThatHearsNoMajority_LeavesFormingToThoseThatDo()
    {
        var world = new World(5);
        foreach (string other in (string[])["c", "d", "e"]) world.Cut("a", other);
        world.Run(TimeSpan.FromSeconds(4));

        Assert.Equal(["b"], world.Formers);
        Assert.Equal("b", world["a"].Cluster);
    }

    [Fact]
    public void Node_ThatHearsAMember_JoinsIt()
    {
        var world = new World(3);
        world.Stop("c");
        world.Run(TimeSpan.FromSeconds(3));
        world.Start("c");
        world.Run(TimeSpan.FromSeconds(1));

        Assert.Equal("a", world["c"].Cluster);
        Assert.Equal(["a"], world.Formers);
    }

    [Fact]
    public void Split_HealedAfterBothSidesFormed_EndsTheSmaller()
    {
        var world = new World(3);
        world.Cut("c", "a");
        world.Cut("c", "b");
        world.Run(FormAfter + TimeSpan.FromSeconds(2));
        Assert.Equal("c", world["c"].Cluster);
        Assert.Equal("a", world["b"].Cluster);

        world.Heal();
        world.Run(TimeSpan.FromSeconds(4));

        Assert.Equal(["c"], world.Ended);
        Assert.All(world.Nodes, n => Assert.Equal("a", n.Cluster));
    }

    [Fact]
    public void TwoClustersOfOne_WhenTheyMeet_TheYoungerEnds()
    {
        var world = new World(2);
        world.Cut("a", "b");
        world.Stop("a");
        world.Run(FormAfter + TimeSpan.FromSeconds(1));
        world.Start("a");
        world.Run(FormAfter + TimeSpan.FromSeconds(1));
        Assert.Equal(["b", "a"], world.Formers);

        world.Heal();
        world.Run(TimeSpan.FromSeconds(4));

        Assert.Equal(["a"], world.Ended);
        Assert.Equal("b", world["a"].Cluster);
    }

    [Fact]
    public void Member_ThatTheOthersNoLongerCount_Ends()
    {
        var formation = new Formation("a", 1, FormAfter, TimeSpan.Zero);
        var self = new FormationSelf(HelloState.Member, new ClusterId(5, 1), [1, 2]);
        var without = Say("b", 2, HelloState.Member, new ClusterId(5, 1), members: [2, 3]);

        var now = TimeSpan.FromSeconds(10);
        formation.Hear(without, null, now);
        Assert.Equal(FormationStep.Wait, formation.Decide(self, now).Step);
        // The same greeting again, still fresh: one greeting may have crossed a change of members.
        now += Formation.Confirm;
        Assert.Equal(FormationStep.Wait, formation.Decide(self, now).Step);

        formation.Hear(without, null, now);
        Assert.Equal(FormationStep.End, formation.Decide(self, now).Step);
    }

    [Fact]
    public void Member_WhoseDoubtIsGoneAgain_Stays()
    {
        var formation = new Formation("a", 1, FormAfter, TimeSpan.Zero);
        var self = new FormationSelf(HelloState.Member, new ClusterId(5, 1), [1, 2]);
        var now = TimeSpan.FromSeconds(10);
        foreach (var members in (ImmutableArray<long>[])[[2], [1, 2], [2]])
        {
            formation.Hear(Say("b", 2, HelloState.Member, new ClusterId(5, 1), members), null, now);
            Assert.Equal(FormationStep.Wait, formation.Decide(self, now).Step);
            now += Formation.Confirm;
        }
    }

    [Fact]
    public void LargerCluster_ThatMeetsASmaller_Stays()
    {
        var formation = new Formation("a", 1, FormAfter, TimeSpan.Zero);
        var self = new FormationSelf(HelloState.Member, new ClusterId(9, 1), [1, 2]);
        var now = TimeSpan.FromSeconds(10);
        for (int i = 0; i < 5; i++, now += Formation.Confirm)
        {
            formation.Hear(Say("c", 3, HelloState.Member, new ClusterId(1, 3), [3]), null, now);
            Assert.Equal(FormationStep.Wait, formation.Decide(self, now).Step);
        }
    }

    private static Hello Say(string address, long uid, HelloState state, ClusterId id, ImmutableArray<long> members) => new(
        Hello.Current, "test", 16, address, uid, address, "", WantsAnswer: false, state, IsReady: false, HelloRefusal.None, id, [], members);

    private sealed class World
    {
        private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(200);

        private readonly HashSet<(string, string)> _cut = [];
        private readonly HashSet<string> _stopped = [];
        private TimeSpan _now;

        public World(int count)
        {
            string[] names = [.. Enumerable.Range(0, count).Select(i => ((char)('a' + i)).ToString())];
            Nodes = [.. names.Select((n, i) => new Node(n, i + 1, names, _now))];
        }

        public List<Node> Nodes { get; }

        public List<string> Formers { get; } = [];

        public List<string> Ended { get; } = [];

        public Node this[string name] => Nodes.First(n => n.Name == name);

        public void Stop(params string[] names) => _stopped.UnionWith(names);

        public void Start(string name)
        {
            _stopped.Remove(name);
            this[name].Restart(_now);
        }

        public void Cut(string one, string other, bool bothWays = true)
        {
            _cut.Add((one, other));
            if (bothWays) _cut.Add((other, one));
        }

        public void Heal() => _cut.Clear();

        public void Run(TimeSpan time)
        {
            for (var end = _now + time; _now < end; _now += Step)
            {
                foreach (var node in Nodes.Where(n => !_stopped.Contains(n.Name)))
                {
                    Greet(node);
                    Decide(node);
                }
            }
        }

        private void Greet(Node node)
        {
            foreach (var other in Nodes.Where(n => n != node && !_stopped.Contains(n.Name)))
            {
                if (_cut.Contains((node.Name, other.Name))) continue;
                other.Formation.Hear(node.Say(_now, MembersOf(node)), null, _now);
                if (!_cut.Contains((other.Name, node.Name))) node.Formation.Hear(other.Say(_now, MembersOf(other)), other.Name, _now);
            }
        }

        private void Decide(Node node)
        {
            var decision = node.Formation.Decide(node.Describe(MembersOf(node)), _now);
            switch (decision.Step)
            {
                case FormationStep.Form:
                    Formers.Add(node.Name);
                    node.Enter(node.Name, new ClusterId((long)_now.TotalMilliseconds + 1, node.Uid));
                    break;
                case FormationStep.Join:
                    node.Enter(this[decision.Address].Cluster!, decision.Id);
                    break;
                case FormationStep.End:
                    Ended.Add(node.Name);
                    node.Restart(_now);
                    break;
            }
        }

        /// <summary>Akka's part: the reachable nodes in the same cluster.</summary>
        private ImmutableArray<long> MembersOf(Node node) => node.Cluster is null ? [] :
            [.. Nodes.Where(n => n.Cluster == node.Cluster && (n == node || !_cut.Contains((n.Name, node.Name)))).Select(n => n.Uid)];
    }

    private sealed class Node(string name, long uid, string[] seeds, TimeSpan start)
    {
        private ClusterId _id;

        public string Name => name;

        public long Uid { get; private set; } = uid;

        public string? Cluster { get; private set; }

        public Formation Formation { get; private set; } = Make(name, uid, seeds, start);

        public FormationSelf Describe(ImmutableArray<long> members) => new(Cluster is null ? HelloState.Alone : HelloState.Member, _id, members);

        public void Enter(string cluster, ClusterId id)
        {
            Cluster = cluster;
            _id = id;
        }

        public void Restart(TimeSpan now)
        {
            Uid += 100;
            Cluster = null;
            Formation = Make(name, Uid, seeds, now);
        }

        public Hello Say(TimeSpan now, ImmutableArray<long> members) => new(
            Hello.Current, "test", 16, name, Uid, name, "", WantsAnswer: true, Cluster is null ? HelloState.Alone : HelloState.Member,
            Formation.IsReady, HelloRefusal.None, _id, Formation.Hears(now), members);

        private static Formation Make(string name, long uid, string[] seeds, TimeSpan start)
        {
            var formation = new Formation(name, uid, FormAfter, start);
            formation.SetSeeds([.. seeds.Where(s => s != name)], unresolved: 0, isSeed: true);
            return formation;
        }
    }
}
