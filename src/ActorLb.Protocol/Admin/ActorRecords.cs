namespace ActorLb.Protocol.Admin;

/// <param name="Path">From the name of its system down, such as "node/user/pool-emqx/10.0.0.1:1883".</param>
/// <param name="Depth">0 for the top of a system.</param>
/// <param name="Type">The class.</param>
/// <param name="Mailbox">Messages that wait.</param>
/// <param name="Restarts">After failures, since the actor was started.</param>
public sealed record ActorInfo(string Path, int Depth, string Name, string Type, int Mailbox, long Restarts);

/// <param name="Actors">Each before those below it.</param>
public sealed record ActorList(string Node, ActorInfo[] Actors);
