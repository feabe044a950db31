using System.CommandLine;
using System.Globalization;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm node</c>, <c>pbm listener</c> and <c>pbm config</c>: one node and its configuration.</summary>
internal static class NodeCommands
{
    public static readonly string[] LogLevels = ["trace", "debug", "info", "warning", "error", "off"];

    public static IEnumerable<Command> Create(Verb verb)
    {
        yield return new Command("listener", "Where clients connect")
        {
            verb.Create("list", "List the listeners", ListenersAsync),
            Pause(verb, "pause", "Pause a listener: new connections are refused, open ones stay"),
            Pause(verb, "resume", "Open a paused listener again"),
        };
        yield return new Command("config", "The node's configuration")
        {
            Check(verb),
            verb.Create("certificates", "List the certificates, authorities and revocation lists in use, with the days left", CertificatesAsync),
            verb.Create("reload", "Reload the configuration file: all of it is applied, or nothing", ReloadAsync),
            verb.Create("show", "Print the effective configuration, with secrets masked", async (call, cancel) => call.Show(
                await call.Client.GetAsync("config", AdminJson.Wire.ConfigText, cancel), (config, screen) => screen.Document(config.Text))),
        };
        yield return new Command("node", "The node itself")
        {
            verb.Create("info", "Show the node's identity and state", InfoAsync),
            Drain(verb), Resume(verb), LogLevel(verb),
        };
    }

    private static async Task ListenersAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("listeners", AdminJson.Wire.ListenerList, cancel), (list, screen) => Table(screen, list.Listeners));

    private static Command Pause(Verb verb, string name, string description)
    {
        var listener = new Argument<string>("LISTENER") { Description = "the listener" };
        return verb.Create(name, description, async (call, cancel) => call.Show(
            await call.Client.PostAsync($"listeners/{Call.Escape(call.Parsed.GetValue(listener)!)}/{name}", AdminJson.Wire.ListenerInfo, cancel),
            (info, screen) => Table(screen, [info])), listener);
    }

    private static void Table(Screen screen, ListenerInfo[] listeners) => screen.Table(
        ["listener", "address", "takes", "pool", ">connections", ">limit", "state"],
        listeners.Select(l => new[]
        {
            Printable.Of(l.Name), l.Bind, l.Kind, Printable.Of(l.Pool), Printable.Of(l.Connections), l.Limit == 0 ? "-" : Printable.Of(l.Limit), l.State,
        }));

    private static Command Check(Verb verb)
    {
        var file = new Argument<string>("FILE") { Description = "a file on this machine" };
        return verb.Create("check", "Check a file on the node without applying it", async (call, cancel) =>
        {
            string path = Path.GetFullPath(call.Parsed.GetValue(file)!);
            string text = InputFile.ReadText("", path);
            var answer = await call.Client.PostTextAsync(
                $"config/check?file={Call.Escape(path)}", text, AdminJson.Wire.ConfigCheck, cancel);
            call.Show(answer, (check, screen) =>
            {
                foreach (string warning in check.Warnings) screen.Line($"warning: {Printable.Of(warning)}");
                foreach (string error in check.Errors) screen.Line($"error: {Printable.Of(error)}");
                if (check.Valid) screen.Line($"{Printable.Of(path)}: the configuration is valid ({Count(check.Listeners, "listener")}, {Count(check.Pools, "pool")})");
            });
            return answer.Value.Valid ? ExitCodes.Done : ExitCodes.Refused;
        }, file);
    }

    private static async Task ReloadAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.PostAsync("config/reload", AdminJson.Wire.ConfigReload, cancel), (reload, screen) =>
        {
            foreach (string warning in reload.Warnings) screen.Line($"warning: {Printable.Of(warning)}");
            screen.Line($"{Printable.Of(reload.Configuration)} is in force");
        });

    private static async Task InfoAsync(Call call, CancellationToken cancel)
    {
        var answer = await call.Client.GetAsync("node", AdminJson.Wire.NodeInfo, cancel);
        call.Show(answer, (n, screen) => screen.Facts(
            ("node", Printable.Of(n.Name)), ("cluster", Printable.Of(n.Cluster)), ("state", n.State), ("version", n.Version),
            ("process", n.ProcessId.ToString(CultureInfo.InvariantCulture)), ("up for", Printable.Time(n.UptimeSeconds)),
            ("workers", Printable.Of(n.Workers)), ("connections", $"{Printable.Of(n.Connections)} of {Printable.Of(n.Capacity)}"),
            ("accepted", Printable.Of(n.Accepted)), ("log level", n.LogLevel), ("configuration", Printable.Of(n.Configuration)), ("configuration hash", Printable.Of(n.ConfigurationHash)),
            ("last reload", n.LastReload is { } reload ? $"{reload.Result}, {answer.Ago(reload.At)}{Messages(reload)}" : "none since the start")));
    }

    private static string Messages(ReloadInfo reload) => reload.Messages.Length == 0 ? "" : $": {Printable.Of(string.Join("; ", reload.Messages))}";

    private static async Task CertificatesAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("config/certificates", AdminJson.Wire.CertificateList, cancel), (list, screen) =>
        {
            screen.Table(
                ["subject", "kind", "of", ">days left", "ends", "state", "file"],
                list.Certificates.Select(c => new[]
                {
                    Printable.Of(c.Subject), c.Kind, Printable.Of(c.Owner),
                    c.DaysLeft is { } days ? Printable.Of(days) : "-",
                    c.NotAfter is { } end ? TimeText.Of(end) : "-", c.State, Printable.Of(c.File),
                }));
            foreach (string problem in list.Problems) screen.Line($"warning: {Printable.Of(problem)}");
        });

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";

    private static Command Drain(Verb verb)
    {
        var within = UnitOptions.Duration("--within", "period over which connections are closed; node.drain-timeout if omitted");
        return verb.Create("drain", "Accept no new clients and close the connections gradually; resume cancels it", async (call, cancel) => call.Show(
            await call.Client.PostAsync(
                "node/drain", new NodeDrainRequest(call.Parsed.GetValue(within)?.TotalSeconds), AdminJson.Wire.NodeDrainRequest, AdminJson.Wire.NodeDrain, cancel),
            (drain, screen) => screen.Line(
                $"{Printable.Of(drain.Node)} is closing {Printable.Of(drain.Connections)} connections within {Printable.Time(drain.Seconds)}")), within);
    }

    /// <summary>Cancels a drain, also by the name that NGINX and HAProxy users may look for.</summary>
    private static Command Resume(Verb verb)
    {
        var resume = verb.Create("resume", "Cancel a drain: open connections stay, and new clients are accepted again", async (call, cancel) => ClusterCommands.Done(
            call, await call.Client.PostAsync("node/resume", AdminJson.Wire.Done, cancel)));
        resume.Aliases.Add("undrain");
        return resume;
    }

    private static Command LogLevel(Verb verb)
    {
        var level = new Argument<string>("LEVEL") { Description = string.Join(", ", LogLevels) };
        return verb.Create("log-level", "Change the log level until the next reload or restart", async (call, cancel) => call.Show(
            await call.Client.PutAsync(
                "node/log-level", new NodeLogLevel(call.Parsed.GetValue(level)!), AdminJson.Wire.NodeLogLevel, AdminJson.Wire.NodeLogLevel, cancel),
            (set, screen) => screen.Line($"log level {set.Level}")), level);
    }
}
