using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>A node as the cluster's membership has it.</summary>
internal sealed class SimMember(SimNode node, PeerId id)
{
    public SimNode Node => node;

    public PeerId Id => id;

    public bool IsLeaving { get; set; }

    public bool IsReachable { get; set; } = true;

    /// <summary>As it was told last.</summary>
    public bool WasConnected { get; set; } = true;

    public long LostSince { get; set; } = -1;

    public long HearsAt { get; set; }

    /// <summary>It saw nobody for so long that it is in no fleet any more, whether the others have noticed or not.</summary>
    public bool HasGivenUp { get; set; }

    public long UnreachableAfter { get; } = 300 + (long)(id.Incarnation % 400);

    public long DownAfter { get; } = 1200 + (long)(id.Incarnation % 1000);

    public long AloneAfter { get; } = 1000 + (long)(id.Incarnation / 7 % 2500);
}
