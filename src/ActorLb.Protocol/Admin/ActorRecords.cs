namespace ActorLb.Protocol.Admin;

/// <param name="Path">Starts at the name of its actor system, such as "node/user/pool-emqx/10.0.0.1:1883".</param>
/// <param name="Depth">0 for the top level of an actor system.</param>
/// <param name="Type">The class.</param>
/// <param name="Mailbox">Messages waiting.</param>
/// <param name="Restarts">Restarts after failures since the actor was started.</param>
public sealed record ActorInfo(string Path, int Depth, string Name, string Type, int Mailbox, long Restarts);

/// <param name="Actors">Each parent before its children.</param>
public sealed record ActorList(string Node, ActorInfo[] Actors);
