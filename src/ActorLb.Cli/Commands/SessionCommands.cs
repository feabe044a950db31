using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm session</c>: the connections of the node.</summary>
internal static class SessionCommands
{
    public static Command Create(Verb verb) => new("session", "Connections of the node")
    {
        List(verb), Find(verb), Kick(verb),
        verb.Create("count", "Count the connections", CountAsync),
    };

    private static Command List(Verb verb)
    {
        var filter = new Option<string?>("--filter")
        {
            Description = "terms that all hold: a part of the client id, or client=, address=, listener=, pool=, backend=, state=", HelpName = "TERMS",
        };
        var limit = new Option<int>("--limit", "-n") { Description = "how many at most (1 to 1000)", HelpName = "N", DefaultValueFactory = _ => 100 };
        Option<string?> after = After();
        return verb.Create("list", "List connections, a page at a time", async (call, cancel) =>
        {
            string path = $"sessions?limit={call.Parsed.GetValue(limit)}";
            if (call.Parsed.GetValue(filter) is { } terms) path += $"&filter={Call.Escape(terms)}";
            if (call.Parsed.GetValue(after) is { } place) path += $"&after={Call.Escape(place)}";
            Show(call, await call.Client.GetAsync(path, AdminJson.Wire.SessionPage, cancel));
        }, filter, limit, after);
    }

    private static Option<string?> After() => new("--after") { Description = "go on where an earlier list ended", HelpName = "PLACE" };

    private static Command Find(Verb verb)
    {
        Argument<string> client = StickyCommands.Client();
        Option<string?> after = After();
        return verb.Create("find", "Show a client's connections", async (call, cancel) =>
        {
            string path = $"sessions/find?client={Call.Escape(call.Parsed.GetValue(client)!)}";
            if (call.Parsed.GetValue(after) is { } place) path += $"&after={Call.Escape(place)}";
            Show(call, await call.Client.GetAsync(path, AdminJson.Wire.SessionPage, cancel));
        }, client, after);
    }

    private static Command Kick(Verb verb)
    {
        Argument<string> client = StickyCommands.Client();
        return verb.Create("kick", "Disconnect a client", async (call, cancel) => call.Show(
            await call.Client.PostAsync($"sessions/kick?client={Call.Escape(call.Parsed.GetValue(client)!)}", AdminJson.Wire.SessionKick, cancel),
            (kick, screen) => screen.Line(Printable.Of($"{kick.ClientId}: {kick.Kicked} disconnected"))), client);
    }

    private static async Task CountAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("sessions/count", AdminJson.Wire.SessionCount, cancel), (count, screen) => screen.Table(
            ["name", "of", "pool", ">connections"],
            [
                Row("all", "node", count.Total), Row("reading", "state", count.Reading), Row("connecting", "state", count.Connecting),
                Row("established", "state", count.Established), Row("closing", "state", count.Closing),
                .. count.Listeners.Select(l => Row(l.Name, "listener", l.Count)),
                .. count.Backends.Select(b => Row(BackendName.Parse(b.Name).Id, "backend", b.Count, BackendName.Parse(b.Name).Pool)),
            ]));

    private static string[] Row(string name, string of, int count, string? pool = null) => [Printable.Of(name), of, Printable.Of(pool), Printable.Of(count)];

    private static void Show(Call call, Answer<SessionPage> answer) => call.Show(answer, (page, screen) =>
    {
        screen.Table(
            ["client id", "address", "listener", "pool", "backend", "mqtt", "state", ">age", ">sent", ">received"],
            page.Sessions.Select(s => new[]
            {
                Printable.Of(s.ClientId), s.Address, Printable.Of(s.Listener), Printable.Of(s.Pool), Printable.Of(s.Backend), s.Protocol, s.State,
                Printable.Time(s.Seconds), Printable.Bytes(s.Sent), Printable.Bytes(s.Received),
            }));
        if (page.Next is { } next) screen.Line($"there is more: --after {Printable.Of(next)}");
    });
}
