using System.CommandLine;
using System.Text.Json;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm cluster</c>: the members of the fleet.</summary>
internal static class ClusterCommands
{
    public static Command Create(Verb verb)
    {
        var leaving = new Argument<string?>("NODE") { Description = "the node; without it, the one that pbm talks to", Arity = ArgumentArity.ZeroOrOne };
        var given = new Argument<string>("NODE") { Description = "the node to remove" };
        var last = new Option<int>("--last", "-n") { Description = "print this many past events (at most 256) and exit", HelpName = "N" };
        var follow = new Option<bool>("--follow", "-f") { Description = "keep printing new events until interrupted; the default without -n" };
        return new Command("cluster", "Members of the fleet")
        {
            verb.Create("show", "List the members", ShowAsync),
            verb.Create("status", "Show the state of this node and its cluster", StatusAsync),
            verb.Create("leave", "Make a node hand over its shards, drain and exit", (call, cancel) => LeaveAsync(call, leaving, cancel), leaving),
            verb.Create("down", "Remove a node that is permanently gone", (call, cancel) => DownAsync(call, given, cancel), given),
            verb.Create("tail", "Print events", (call, cancel) => TailAsync(call, last, follow, cancel), last, follow),
        };
    }

    private static async Task ShowAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("cluster", AdminJson.Wire.ClusterMembers, cancel), (cluster, screen) => screen.Table(
            ["node", "state", "address", "zone", ">shards", "role", "incarnation", "configuration"],
            cluster.Members.Select(m => new[]
            {
                Printable.Of(m.Self ? $"{m.Name} (this)" : m.Name), m.State, Printable.Of(m.Address), Printable.Of(m.Zone),
                Printable.Of(m.Shards), m.Coordinator ? "coordinator" : "-", Printable.Of(m.Incarnation),
                Printable.Of(m.ConfigurationHash) + Difference(m),
            })));

    /// <summary>Only sections that should be the same on all nodes: the hash also differs because of names and addresses.</summary>
    private static string Difference(ClusterMember member) => member.Self || member.ConfigurationHash is null ? ""
        : member.Differences.Length == 0 ? ", same" : $", DIFFERS in {Printable.Of(string.Join(", ", member.Differences))}";

    private static async Task StatusAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("cluster/status", AdminJson.Wire.ClusterStatus, cancel), (s, screen) => screen.Facts(
            ("cluster", Printable.Of(s.Cluster)), ("node", Printable.Of(s.Node)),
            ("state", s.Reason is { } reason ? $"{s.State}: {Printable.Of(reason)}" : s.State),
            ("coordination", s.Coordination), ("coordinator", Printable.Of(s.Coordinator)), ("members", Printable.Of(s.Members)),
            ("unreachable", Printable.Of(s.Unreachable)),
            ("shards", $"{Printable.Of(s.ShardsOwned)} of {Printable.Of(s.Shards)} owned by this node"), ("moving", Printable.Of(s.Moving))));

    private static async Task LeaveAsync(Call call, Argument<string?> node, CancellationToken cancel) =>
        Done(call, await call.Client.PostAsync(
            "cluster/leave", new ClusterNodeRequest(call.Parsed.GetValue(node)), AdminJson.Wire.ClusterNodeRequest, AdminJson.Wire.Done, cancel));

    private static async Task DownAsync(Call call, Argument<string> node, CancellationToken cancel) =>
        Done(call, await call.Client.PostAsync(
            "cluster/down", new ClusterNodeRequest(call.Parsed.GetValue(node)), AdminJson.Wire.ClusterNodeRequest, AdminJson.Wire.Done, cancel));

    private static async Task<int> TailAsync(Call call, Option<int> last, Option<bool> follow, CancellationToken cancel)
    {
        int past = call.Parsed.GetValue(last);
        bool follows = past == 0 || call.Parsed.GetValue(follow);
        if (past is < 0 or > 256) throw new UsageException($"--last: {past} is not between 0 and 256");
        long seen = 0;
        try
        {
            await call.Client.StreamAsync(past == 0 ? "cluster/events" : $"cluster/events?last={past}{(follows ? "" : "&follow=false")}", Print, cancel);
            if (!follows) return ExitCodes.Done;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
        throw new UnreachableException($"{call.Client.Address} closed the stream");

        void Print(string line)
        {
            if (call.Json)
            {
                call.Screen.Json(line);
                return;
            }
            if (JsonSerializer.Deserialize(line, AdminJson.Wire.NodeEvent) is not { } e) return;
            if (seen > 0 && e.Number > seen + 1) call.Screen.Line($"... {e.Number - seen - 1} events missed");
            seen = e.Number;
            call.Screen.Line($"{TimeText.Of(e.Time)} {Printable.Of(e.Node)} {Printable.Of(e.Kind)}: {Printable.Of(e.Text)}");
        }
    }

    public static void Done(Call call, Answer<Done> answer) => call.Show(answer, (done, screen) => screen.Line(Printable.Of(done.Message)));
}
