using System.CommandLine;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary><c>pbm pool add</c> and <c>pool remove</c>: backends in addition to those of the configuration file.</summary>
internal static class PoolMemberCommands
{
    public static Command Add(Verb verb)
    {
        var pool = new Argument<string>("POOL") { Description = "the pool" };
        var address = new Argument<string>("ADDRESS") { Description = "the new backend: HOST:PORT", HelpName = "HOST:PORT" };
        var weight = new Option<int>("--weight") { Description = "its share of new clients, from 1 to 65535", HelpName = "WEIGHT", DefaultValueFactory = _ => 1 };
        var backup = new Option<bool>("--backup") { Description = "send it clients only while no other backend accepts any" };
        return verb.Create("add", "Add a backend on all nodes; it survives reloads and restarts", async (call, cancel) =>
        {
            var add = new BackendAdd(call.Parsed.GetValue(address)!, call.Parsed.GetValue(weight), call.Parsed.GetValue(backup));
            var answer = await call.Client.PostAsync(
                $"pools/{Call.Escape(call.Parsed.GetValue(pool)!)}/backends", add, AdminJson.Wire.BackendAdd, AdminJson.Wire.BackendAdded, cancel);
            call.Show(answer, (added, screen) => PoolCommands.Table(screen, answer, [added.Backend]));
            call.Tell(answer.Value.Silent, "could not be asked whether this is one of its own addresses");
        }, pool, address, weight, backup);
    }

    public static Command Remove(Verb verb)
    {
        var backend = BackendName.Argument();
        return verb.Create("remove", "Remove a backend that was added at run time, on all nodes", async (call, cancel) => ClusterCommands.Done(
            call, await call.Client.DeleteAsync(BackendName.Parse(call.Parsed.GetValue(backend)!).Path(), AdminJson.Wire.Done, cancel)), backend);
    }
}
