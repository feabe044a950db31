using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>A node as the cluster's membership has it.</summary>
internal sealed class SimMember(SimNode node, MemberId id)
{
    public SimNode Node => node;

    public MemberId Id => id;

    public bool IsLeaving { get; set; }

    public bool IsReachable { get; set; } = true;

    /// <summary>As last reported.</summary>
    public bool WasConnected { get; set; } = true;

    public long LostSince { get; set; } = -1;

    public long HearsAt { get; set; }

    /// <summary>The node saw no other for so long that it left the fleet, whether or not the others have noticed.</summary>
    public bool HasGivenUp { get; set; }

    public long UnreachableAfter { get; } = 300 + (long)(id.Incarnation % 400);

    public long DownAfter { get; } = 1200 + (long)(id.Incarnation % 1000);

    public long AloneAfter { get; } = 1000 + (long)(id.Incarnation / 7 % 2500);
}
