using System.CommandLine;
using System.Globalization;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm pool</c>: pools and their brokers.</summary>
internal static class PoolCommands
{
    private const double RebalanceRate = 50;

    public static Command Create(Verb verb)
    {
        var pool = new Argument<string>("POOL") { Description = "the pool" };
        return new Command("pool", "Pools and their backends")
        {
            verb.Create("list", "List the pools", ListAsync),
            verb.Create("show", "Show a pool's backends", (call, cancel) => ShowAsync(call, pool, cancel), pool),
            Drain(verb),
            Rebalance(verb),
            Pause(verb, "pause", "Pause a drain or rebalance with a rate: no sessions are closed, and its deadline is suspended"),
            Pause(verb, "resume", "Continue a paused drain or rebalance"),
            Change(verb, "down", "Send a backend no clients at all: its clients move at their next connect"),
            Change(verb, "up", "Send a backend clients again"),
            Weight(verb),
            PoolMemberCommands.Add(verb), PoolMemberCommands.Remove(verb),
        };
    }

    private static Command Change(Verb verb, string name, string description)
    {
        var backend = BackendName.Argument();
        return verb.Create(name, description, async (call, cancel) => Changed(call, await call.Client.PostAsync(
            BackendName.Parse(call.Parsed.GetValue(backend)!).Path(name), AdminJson.Wire.BackendInfo, cancel)), backend);
    }

    private static Command Drain(Verb verb)
    {
        var backend = BackendName.Argument();
        var rate = UnitOptions.Rate("--rate", "close this many of its sessions, over the whole fleet; the clients reconnect to other backends");
        var deadline = UnitOptions.Duration("--deadline", "take it down after this time: the remaining sessions are closed evenly over node.drain-timeout");
        return verb.Create("drain", "Send a backend no new clients; without a rate its existing clients stay", async (call, cancel) =>
        {
            var drain = new BackendDrain(call.Parsed.GetValue(deadline)?.TotalSeconds, call.Parsed.GetValue(rate));
            Changed(call, await call.Client.PostAsync(
                BackendName.Parse(call.Parsed.GetValue(backend)!).Path("drain"), drain, AdminJson.Wire.BackendDrain, AdminJson.Wire.BackendInfo, cancel));
        }, backend, rate, deadline);
    }

    private static Command Rebalance(Verb verb)
    {
        var pool = new Argument<string>("POOL") { Description = "the pool" };
        var rate = UnitOptions.Rate("--rate", $"move this many sessions, over the whole fleet; {RebalanceRate}/s by default");
        var stop = new Option<bool>("--stop") { Description = "stop the current rebalance" };
        return verb.Create("rebalance", "Move sessions from backends with too many to those with too few", async (call, cancel) =>
        {
            string path = $"pools/{Call.Escape(call.Parsed.GetValue(pool)!)}/rebalance";
            if (call.Parsed.GetValue(stop) && call.Parsed.GetValue(rate) is not null) throw new UsageException("--stop and --rate cannot be combined");
            Show(call, call.Parsed.GetValue(stop)
                ? await call.Client.DeleteAsync(path, AdminJson.Wire.PoolInfo, cancel)
                : await call.Client.PostAsync(
                    path, new PoolRebalance(call.Parsed.GetValue(rate) ?? RebalanceRate), AdminJson.Wire.PoolRebalance, AdminJson.Wire.PoolInfo, cancel));
        }, pool, rate, stop);
    }

    /// <summary>A backend has a port; a pool's name does not.</summary>
    private static Command Pause(Verb verb, string name, string description)
    {
        var target = new Argument<string>("TARGET") { Description = "the backend being drained (HOST:PORT or POOL/HOST:PORT), or the pool being rebalanced" };
        return verb.Create(name, description, async (call, cancel) =>
        {
            string text = call.Parsed.GetValue(target)!;
            if (text.Contains(':')) Changed(call, await call.Client.PostAsync(BackendName.Parse(text).Path(name), AdminJson.Wire.BackendInfo, cancel));
            else Show(call, await call.Client.PostAsync($"pools/{Call.Escape(text)}/rebalance/{name}", AdminJson.Wire.PoolInfo, cancel));
        }, target);
    }

    private static Command Weight(Verb verb)
    {
        var backend = BackendName.Argument();
        var weight = new Argument<int>("N") { Description = "from 1 to 65535", HelpName = "WEIGHT" };
        return verb.Create("weight", "Change a backend's share of new clients", async (call, cancel) => Changed(call, await call.Client.PutAsync(
            BackendName.Parse(call.Parsed.GetValue(backend)!).Path("weight"), new BackendWeight(call.Parsed.GetValue(weight)),
            AdminJson.Wire.BackendWeight, AdminJson.Wire.BackendInfo, cancel)), backend, weight);
    }

    private static async Task ListAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("pools", AdminJson.Wire.PoolList, cancel), (list, screen) => screen.Table(
            ["pool", "balance", ">backends", ">eligible", ">connections", ">fleet", ">waiting"],
            list.Pools.Select(p => new[]
            {
                Printable.Of(p.Name), p.Balance, Printable.Of(p.Backends), Printable.Of(p.Eligible), Printable.Of(p.Connections),
                Printable.Of(p.FleetConnections), Printable.Of(p.Waiting),
            })));

    private static async Task ShowAsync(Call call, Argument<string> pool, CancellationToken cancel) =>
        Show(call, await call.Client.GetAsync($"pools/{Call.Escape(call.Parsed.GetValue(pool)!)}", AdminJson.Wire.PoolInfo, cancel));

    private static void Show(Call call, Answer<PoolInfo> answer) => call.Show(answer, (info, screen) =>
    {
        Table(screen, answer, info.Backends);
        Closings(screen, answer, info.Backends, info.Rebalance);
    });

    private static void Changed(Call call, Answer<BackendInfo> answer) => call.Show(answer, (backend, screen) =>
    {
        Table(screen, answer, [backend]);
        Closings(screen, answer, [backend], null);
    });

    /// <summary>Empty when no sessions are being closed at a rate.</summary>
    private static void Closings<T>(Screen screen, Answer<T> answer, BackendInfo[] backends, ClosingInfo? rebalance)
    {
        (string What, ClosingInfo Info)[] all =
        [
            .. backends.Where(b => b.Drain is not null).Select(b => ($"drain of {b.Backend}", b.Drain!)),
            .. rebalance is null ? [] : new[] { ("rebalance", rebalance) },
        ];
        if (all.Length == 0) return;
        screen.Table(
            ["closes sessions", "state", ">rate", ">closed", ">left", "begun", "done"],
            all.Select(c => new[]
            {
                Printable.Of(c.What), c.Info.State, RateText.Of(c.Info.Rate), Printable.Of(c.Info.Closed), Printable.Of(c.Info.Left), answer.Ago(c.Info.Started < answer.At ? c.Info.Started : answer.At),
                c.Info.Remaining is { } left ? $"in about {Printable.Time(left)}" : "-",
            }));
    }

    private static string Kind(BackendInfo backend) => (backend.Backup, backend.Added) switch
    {
        (true, true) => " (backup, added)",
        (true, false) => " (backup)",
        (false, true) => " (added)",
        _ => "",
    };

    public static void Table<T>(Screen screen, Answer<T> answer, BackendInfo[] backends) => screen.Table(
        ["backend", "pool", "admin", "health", "new clients", ">weight", ">connections", ">fleet", ">limit", ">connects", ">failures",
            "in state for", ">lost since", "last error", "last probe", "next probe"],
        backends.Select(b => new[]
        {
            Printable.Of(b.Backend + Kind(b)), Printable.Of(b.Pool),
            (b.DrainLeft is { } left ? $"{b.Admin}, down in {Printable.Time(left)}" : b.Admin) + (b.Local ? " (this node only)" : ""), b.Health,
            b.Blocks.Length == 0 ? (b.Waiting == 0 ? "yes" : $"yes, {Printable.Of(b.Waiting)} wait") : $"no: {string.Join(", ", b.Blocks)}", Printable.Of(b.Weight), Printable.Of(b.Connections),
            Printable.Of(b.FleetConnections), b.Limit == 0 ? "-" : Printable.Of(b.Limit), Printable.Of(b.Connects), Printable.Of(b.Failures),
            answer.For(b.Since), Printable.Of(b.LostSince),
            b.LastError is { } error ? $"{Printable.Of(error.Text)}, {answer.Ago(error.At)}" : "-",
            b.LastProbe is { } probe ? $"{probe.Result} in {Milliseconds(probe.Took)}, {answer.Ago(probe.At)}" : "-",
            b.NextProbe is { } next ? $"in {Printable.Time(Math.Ceiling((next - answer.At).TotalSeconds))}" : "-",
        }));

    private static string Milliseconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:0.#} ms");
}
