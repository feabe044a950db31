namespace ActorLb.Proxying;

/// <summary>Which way bytes go through a session.</summary>
internal enum Direction : byte { ToBackend, ToClient }

internal static class Directions
{
    /// <summary>The way to where the bytes come from.</summary>
    public static Direction Back(this Direction direction) => direction == Direction.ToBackend ? Direction.ToClient : Direction.ToBackend;
}
