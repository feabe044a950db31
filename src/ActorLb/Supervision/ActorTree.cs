using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>The current state of an actor.</summary>
/// <param name="Path">The path including the system's name, such as <c>node/user/pool-emqx/10.0.0.1:1883</c>.</param>
/// <param name="Depth">0 for the guardians <c>user</c> and <c>system</c>.</param>
/// <param name="Type">The actor's class.</param>
/// <param name="Mailbox">Messages waiting in the mailbox.</param>
internal sealed record ActorState(string Path, int Depth, string Name, string Type, int Mailbox, long Restarts);

/// <summary>Lists the actors of local systems, from any thread and without sending messages.</summary>
internal static class ActorTree
{
    /// <summary>Lists each actor before its children; children are sorted by name.</summary>
    public static IEnumerable<ActorState> Read(IEnumerable<ActorSystem> systems) =>
        from ExtendedActorSystem system in systems
        from guardian in new[] { system.Guardian, system.SystemGuardian }
        from state in Below(guardian, system.Name, 0, ActorRestarts.Of(system))
        select state;

    public static string PathOf(IActorRef actor) =>
        $"{actor.Path.Address.System}/{string.Join('/', actor.Path.Elements.Select(ActorNames.TextOf))}";

    private static IEnumerable<ActorState> Below(IActorRef actor, string above, int depth, ActorRestarts restarts)
    {
        if (actor is not ActorRefWithCell { Underlying: { } cell } local) yield break;
        string name = ActorNames.TextOf(actor.Path.Name), path = $"{above}/{name}";
        yield return new ActorState(path, depth, name, cell.Props?.Type?.Name ?? "", cell.NumberOfMessages, restarts.CountOf(actor.Path));
        foreach (var child in local.Children.OrderBy(c => c.Path.Name, StringComparer.Ordinal))
        {
            foreach (var state in Below(child, path, depth + 1, restarts)) yield return state;
        }
    }
}
