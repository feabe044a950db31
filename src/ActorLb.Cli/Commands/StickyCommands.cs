using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm sticky</c>: which broker a client belongs to.</summary>
internal static class StickyCommands
{
    public static Command Create(Verb verb) => new("sticky", "Which broker a client belongs to")
    {
        Get(verb), Set(verb), Clear(verb), Flush(verb),
        verb.Create("stats", "Show what the sticky map holds", StatsAsync),
    };

    public static Argument<string> Client() => new("CLIENTID") { Description = "the client id, as the broker sees it" };

    private static Option<string?> Pool() => new("--pool") { Description = "only in this pool", HelpName = "P" };

    private static string Path(string clientId, string? pool) =>
        $"sticky?client={Call.Escape(clientId)}{(pool is null ? "" : $"&pool={Call.Escape(pool)}")}";

    private static Command Get(Verb verb)
    {
        var client = Client();
        var pool = Pool();
        return verb.Create("get", "Show a client's broker; exit code 1 when it has none", async (call, cancel) =>
        {
            var found = await call.Client.GetAsync(
                Path(call.Parsed.GetValue(client)!, call.Parsed.GetValue(pool)), AdminJson.Wire.StickyEntries, cancel);
            Show(call, found);
            if (Array.Exists(found.Value.Entries, e => e.Backend is not null)) return ExitCodes.Done;
            call.Screen.Error("no broker is stored for this client");
            return ExitCodes.Refused;
        }, client, pool);
    }

    private static Command Set(Verb verb)
    {
        var client = Client();
        var backend = BackendName.Argument();
        return verb.Create("set", "Assign a client to a broker from its next connect on", async (call, cancel) =>
        {
            var to = BackendName.Parse(call.Parsed.GetValue(backend)!);
            Show(call, await call.Client.PutAsync(
                Path(call.Parsed.GetValue(client)!, to.Pool), new StickyBackend(to.Id), AdminJson.Wire.StickyBackend, AdminJson.Wire.StickyEntries, cancel));
        }, client, backend);
    }

    private static Command Clear(Verb verb)
    {
        var client = Client();
        var pool = Pool();
        return verb.Create("clear", "Forget a client's broker", async (call, cancel) => ClusterCommands.Done(call, await call.Client.DeleteAsync(
            Path(call.Parsed.GetValue(client)!, call.Parsed.GetValue(pool)), AdminJson.Wire.Done, cancel)), client, pool);
    }

    private static Command Flush(Verb verb)
    {
        var backend = BackendName.Argument();
        return verb.Create("flush", "Forget all clients of a broker", async (call, cancel) => call.Show(
            await call.Client.PostAsync(BackendName.Parse(call.Parsed.GetValue(backend)!).Path("flush"), AdminJson.Wire.StickyFlush, cancel),
            (flushed, screen) => screen.Line(Printable.Of($"the clients of {flushed.Backend} in pool {flushed.Pool} are forgotten"))), backend);
    }

    private static async Task StatsAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("sticky/stats", AdminJson.Wire.StickyStats, cancel), (s, screen) => screen.Facts(
            ("node", Printable.Of(s.Node)), ("pools", s.StickyPools.Length == 0 ? "-" : Printable.Of(string.Join(", ", s.StickyPools))),
            ("entries", Printable.Of(s.Entries)), ("bytes", Printable.Bytes(s.Bytes)), ("evicted", Printable.Of(s.Evicted)),
            ("limit", Printable.Of(s.MaxEntries)), ("time to live", Printable.Time(s.TtlSeconds))));

    private static void Show(Call call, Answer<StickyEntries> answer) => call.Show(answer, (found, screen) => screen.Table(
        ["client id", "pool", "backend", ">shard", "owner"],
        found.Entries.Select(e => new[]
        {
            Printable.Of(e.ClientId), Printable.Of(e.Pool), Printable.Of(e.Backend), $"{e.Shard}", Printable.Of(e.Owner),
        })));
}
