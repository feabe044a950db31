namespace ActorLb.Server.Demo;

/// <summary>Why the demo cannot continue, in a sentence for its user.</summary>
internal sealed class DemoFailure(string reason) : Exception(reason);
