using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm session</c>: the connections of the fleet.</summary>
internal static class SessionCommands
{
    private static readonly string[] By = ["bytes", "packets", "connects"];

    public static Command Create(Verb verb) => new("session", "Connections of the fleet")
    {
        List(verb), Find(verb), Kick(verb), Count(verb), Top(verb),
    };

    private static Command List(Verb verb)
    {
        var filter = new Option<string?>("--filter")
        {
            Description = "terms that must all match: part of the client id, or client=, address= (a network, too), listener=, pool=, backend=, state=",
            HelpName = "TERMS",
        };
        var limit = new Option<int>("--limit", "-n") { Description = "page size (1 to 1000)", HelpName = "N", DefaultValueFactory = _ => 100 };
        Option<string?> after = After(), node = OfNode();
        return verb.Create("list", "List connections, a page at a time", async (call, cancel) =>
        {
            string path = $"sessions?limit={call.Parsed.GetValue(limit)}"
                + Query("filter", call.Parsed.GetValue(filter)) + Query("after", call.Parsed.GetValue(after)) + Query("node", call.Parsed.GetValue(node));
            var answer = await call.Client.GetAsync(path, AdminJson.Wire.SessionPage, cancel);
            call.Show(answer, (page, screen) =>
            {
                screen.Table(
                    ["client id", "address", "listener", "pool", "backend", "mqtt", "state", ">age", ">sent", ">received", "node"],
                    page.Sessions.Select(s => new[]
                    {
                        Printable.Of(s.ClientId), s.Address, Printable.Of(s.Listener), Printable.Of(s.Pool), Printable.Of(s.Backend), s.Protocol, s.State,
                        Printable.Time(s.Seconds), Printable.Bytes(s.Sent), Printable.Bytes(s.Received), Printable.Of(s.Node),
                    }));
                More(screen, page);
            });
            call.Tell(answer.Value.Silent);
        }, filter, limit, after, node);
    }

    private static Option<string?> After() => new("--after") { Description = "continue where an earlier list ended", HelpName = "PLACE" };

    private static Option<string?> OfNode() => new("--node") { Description = "only the connections of this node", HelpName = "NODE" };

    private static string Query(string name, string? value) => value is null ? "" : $"&{name}={Call.Escape(value)}";

    private static Command Find(Verb verb)
    {
        var client = StickyCommands.Client();
        Option<string?> after = After(), node = OfNode();
        return verb.Create("find", "Show where and since when a client is connected", async (call, cancel) =>
        {
            string path = $"sessions/find?client={Call.Escape(call.Parsed.GetValue(client)!)}"
                + Query("after", call.Parsed.GetValue(after)) + Query("node", call.Parsed.GetValue(node));
            var answer = await call.Client.GetAsync(path, AdminJson.Wire.SessionPage, cancel);
            call.Show(answer, (page, screen) =>
            {
                screen.Table(
                    ["client id", "node", "since", "listener", "address", "pool", "backend", "mqtt", "state", ">sent", ">received"],
                    page.Sessions.Select(s => new[]
                    {
                        Printable.Of(s.ClientId), Printable.Of(s.Node), $"{TimeText.Of(s.Since)}, {Printable.Time(s.Seconds)} ago", Printable.Of(s.Listener),
                        s.Address, Printable.Of(s.Pool), Printable.Of(s.Backend), s.Protocol, s.State, Printable.Bytes(s.Sent), Printable.Bytes(s.Received),
                    }));
                More(screen, page);
            });
            call.Tell(answer.Value.Silent);
        }, client, after, node);
    }

    private static Command Kick(Verb verb)
    {
        var client = StickyCommands.Client();
        var node = OfNode();
        return verb.Create("kick", "Disconnect a client, on whichever node it is", async (call, cancel) =>
        {
            var answer = await call.Client.PostAsync(
                $"sessions/kick?client={Call.Escape(call.Parsed.GetValue(client)!)}" + Query("node", call.Parsed.GetValue(node)), AdminJson.Wire.SessionKick, cancel);
            call.Show(answer, (kick, screen) => screen.Line(Printable.Of(
                $"{kick.ClientId}: {kick.Kicked} disconnected ({string.Join(", ", kick.Nodes.Select(n => $"{n.Count} on {n.Name}"))})")));
            call.Tell(answer.Value.Silent);
        }, client, node);
    }

    private static Command Count(Verb verb)
    {
        var node = OfNode();
        return verb.Create("count", "Count the connections", async (call, cancel) =>
        {
            string path = call.Parsed.GetValue(node) is { } name ? $"sessions/count?node={Call.Escape(name)}" : "sessions/count";
            var answer = await call.Client.GetAsync(path, AdminJson.Wire.SessionCount, cancel);
            call.Show(answer, (count, screen) => screen.Table(
                ["name", "of", "pool", ">connections"],
                [
                    Row("all", count.Node is null ? "fleet" : "node", count.Total), Row("reading", "state", count.Reading),
                    Row("connecting", "state", count.Connecting), Row("established", "state", count.Established), Row("closing", "state", count.Closing),
                    .. count.Nodes.Where(_ => count.Node is null).Select(n => Row(n.Name, "node", n.Count)),
                    .. count.Listeners.Select(l => Row(l.Name, "listener", l.Count)),
                    .. count.Backends.Select(b => Row(BackendName.Parse(b.Name).Id, "backend", b.Count, BackendName.Parse(b.Name).Pool)),
                ]));
            call.Tell(answer.Value.Silent);
        }, node);
    }

    private static Command Top(Verb verb)
    {
        var by = new Option<string>("--by")
        {
            Description = "bytes or packets of a connection since it was established, or connects of a client in the last 5 to 10 minutes",
            HelpName = "WHAT",
            DefaultValueFactory = _ => By[0],
        };
        by.AcceptOnlyFromAmong(By);
        var limit = new Option<int>("--limit", "-n") { Description = "how many (1 to 100)", HelpName = "N", DefaultValueFactory = _ => 10 };
        var node = OfNode();
        return verb.Create("top", "Show the clients with the most traffic or connects", async (call, cancel) =>
        {
            string path = $"sessions/top?by={call.Parsed.GetValue(by)}&limit={call.Parsed.GetValue(limit)}" + Query("node", call.Parsed.GetValue(node));
            var answer = await call.Client.GetAsync(path, AdminJson.Wire.SessionTop, cancel);
            call.Show(answer, (top, screen) =>
            {
                if (top.By == "connects")
                {
                    screen.Table(
                        ["client id", ">connects", "nodes"],
                        top.Clients.Select(c => new[] { Printable.Of(c.ClientId), Printable.Of(c.Value), Printable.Of(string.Join(", ", c.Nodes)) }));
                    return;
                }
                screen.Table(
                    ["client id", $">{top.By}", "address", "pool", "backend", "state", ">age", "node"],
                    top.Clients.Select(c => new[]
                    {
                        Printable.Of(c.ClientId), top.By == "bytes" ? Printable.Bytes(c.Value) : Printable.Of(c.Value), c.Session?.Address ?? "-",
                        Printable.Of(c.Session?.Pool), Printable.Of(c.Session?.Backend), c.Session?.State ?? "-", Printable.Time(c.Session?.Seconds ?? 0),
                        Printable.Of(string.Join(", ", c.Nodes)),
                    }));
            });
            call.Tell(answer.Value.Silent);
        }, by, limit, node);
    }

    private static string[] Row(string name, string of, int count, string? pool = null) => [Printable.Of(name), of, Printable.Of(pool), Printable.Of(count)];

    private static void More(Screen screen, SessionPage page)
    {
        if (page.Next is { } next) screen.Line($"more with --after {Printable.Of(next)}");
    }
}
