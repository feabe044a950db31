namespace ActorLb.Sticky.Map;

/// <summary>One membership of one node. A restarted node has another id and owns nothing that the old one owned.</summary>
internal readonly record struct MemberId(string Name, ulong Incarnation)
{
    public override string ToString() => $"{Name}/{Incarnation:x16}";
}
