using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm ban</c>: clients that may not connect to any node of the fleet.</summary>
internal static class BanCommands
{
    public static Command Create(Verb verb) => new("ban", "Clients that may not connect, on all nodes")
    {
        Add(verb), verb.Create("list", "List the bans in force", ListAsync), Remove(verb),
    };

    private sealed record Subject(Option<string?> ClientId, Option<string?> UserName, Option<string?> Address)
    {
        public static Subject Create() => new(
            new("--client-id") { Description = "a client id, as sent by the client or as seen by its broker", HelpName = "ID" },
            new("--username") { Description = "a user name, as sent by the client or as seen by its broker", HelpName = "USER" },
            new("--address") { Description = "an address or a network, such as 10.0.0.7 or 10.0.0.0/8", HelpName = "CIDR" });

        /// <exception cref="UsageException">Unless exactly one is given.</exception>
        public (string? ClientId, string? UserName, string? Address) Of(Call call)
        {
            var given = (call.Parsed.GetValue(ClientId), call.Parsed.GetValue(UserName), call.Parsed.GetValue(Address));
            return new[] { given.Item1, given.Item2, given.Item3 }.Count(v => v is not null) == 1
                ? given : throw new UsageException("ban: give exactly one of --client-id, --username and --address");
        }
    }

    private static Command Add(Verb verb)
    {
        var subject = Subject.Create();
        var time = UnitOptions.Duration("--for", "how long the ban lasts; without it, until it is removed");
        var reason = new Option<string?>("--reason") { Description = "a note that the list shows", HelpName = "TEXT" };
        return verb.Create("add", "Refuse a client and close its connections", async (call, cancel) =>
        {
            var (clientId, userName, address) = subject.Of(call);
            var request = new BanRequest(clientId, userName, address, call.Parsed.GetValue(time)?.TotalSeconds, call.Parsed.GetValue(reason));
            call.Show(
                await call.Client.PostAsync("bans", request, AdminJson.Wire.BanRequest, AdminJson.Wire.BanInfo, cancel),
                (ban, screen) => screen.Line($"{Printable.Of($"{ban.Kind} {ban.Subject}")} is banned{(ban.Left is { } left ? $" for {Printable.Time(Math.Ceiling(left))}" : "")}{(ban.Local ? " (this node only)" : "")}"));
        }, subject.ClientId, subject.UserName, subject.Address, time, reason);
    }

    private static Command Remove(Verb verb)
    {
        var subject = Subject.Create();
        return verb.Create("remove", "Remove a ban, so that the client can connect again", async (call, cancel) =>
        {
            var (clientId, userName, address) = subject.Of(call);
            string query = clientId is not null ? $"client={Call.Escape(clientId)}" : userName is not null ? $"username={Call.Escape(userName)}" : $"address={Call.Escape(address!)}";
            ClusterCommands.Done(call, await call.Client.DeleteAsync($"bans?{query}", AdminJson.Wire.Done, cancel));
        }, subject.ClientId, subject.UserName, subject.Address);
    }

    private static async Task ListAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("bans", AdminJson.Wire.BanPage, cancel), (page, screen) => screen.Table(
            ["kind", "who", ">left", "added", "by", "reason"],
            page.Bans.Select(b => new[]
            {
                b.Kind + (b.Local ? " (this node only)" : ""), Printable.Of(b.Subject), b.Left is { } left ? Printable.Time(Math.Ceiling(left)) : "-",
                Printable.Of(b.Added.ToString("yyyy-MM-dd HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture)), Printable.Of(b.By), Printable.Of(b.Reason),
            })));
}
