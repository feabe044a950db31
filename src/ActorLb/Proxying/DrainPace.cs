namespace ActorLb.Proxying;

/// <summary>Spreads the closing of many sessions over a time, so that their clients do not all reconnect at once.</summary>
internal static class DrainPace
{
    /// <summary>Time between two portions.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromMilliseconds(50);

    /// <summary>How many to close by now, of those at the beginning: evenly even when they are fewer than the steps.</summary>
    public static int Due(int total, TimeSpan elapsed, TimeSpan within) =>
        elapsed >= within ? total : (int)Math.Ceiling(total * (elapsed / within));
}
