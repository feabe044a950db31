using System.Net;
using ActorLb.Balancing;
using Akka.Actor;

namespace ActorLb.Health;

/// <summary>What a pool's actor keeps of a backend. After a restart it begins with the verdict that the backend itself has kept.</summary>
internal sealed class BackendWatch(Backend backend, IActorRef actor)
{
    public Backend Backend { get; } = backend;

    public IActorRef Actor { get; } = actor;

    public HealthTrack Track { get; set; } = new(backend.Health, 0);

    /// <summary>The order in force; null before the first.</summary>
    public ProbeOrder? Order { get; set; }

    /// <summary>The last warning about the name.</summary>
    public string? ResolveProblem { get; set; }

    /// <summary>It was found to be this node itself, and this was logged.</summary>
    public bool IsItself { get; set; }

    public bool IsLiteral { get; } = IPAddress.TryParse(backend.Address.Host, out _);
}
