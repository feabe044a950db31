namespace ActorLb.Sticky.Map;

/// <summary>One membership of one node. A restart under the same name is another identity: it owns nothing that the old one owned.</summary>
internal readonly record struct PeerId(string Name, ulong Incarnation)
{
    public override string ToString() => $"{Name}/{Incarnation:x16}";
}
