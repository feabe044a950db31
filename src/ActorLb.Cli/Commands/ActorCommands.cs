using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm actor</c>: the actors of the node's control plane.</summary>
internal static class ActorCommands
{
    public static Command Create(Verb verb) => new("actor", "Actors of the node's control plane")
    {
        verb.Create("tree", "Show the actors with their waiting messages and restarts", TreeAsync),
    };

    private static async Task TreeAsync(Call call, CancellationToken cancel) =>
        call.Show(await call.Client.GetAsync("actors", AdminJson.Wire.ActorList, cancel), (list, screen) => screen.Table(
            ["actor", "type", ">waiting", ">restarts"],
            list.Actors.Select(a => new[]
            {
                // The first line of a system is also its name.
                new string(' ', 2 * a.Depth) + Printable.Of(a.Depth == 0 ? a.Path : a.Name), Printable.Of(a.Type), Printable.Of(a.Mailbox),
                Printable.Of(a.Restarts),
            })));
}
