namespace ActorLb.Balancing;

/// <summary>A drain that closes the backend's sessions at a pace, which all nodes of a fleet share.</summary>
/// <param name="Rate">Sessions a second, over the fleet: <see cref="PaceRate.Least"/> to <see cref="PaceRate.Most"/>.</param>
/// <param name="IsPaused">Nobody is closed, and a deadline does not come nearer.</param>
/// <param name="Ordered">When it was ordered, in milliseconds since 1970. It tells the drain from an earlier one of the backend; a pause or another rate keep it.</param>
public sealed record PacedDrain(double Rate, bool IsPaused, long Ordered);

/// <summary>Sessions closed a second, as operators may ask for.</summary>
public static class PaceRate
{
    public const double Least = 0.01, Most = 100_000;

    /// <summary>Such as "50/s".</summary>
    public static string Text(double rate) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{rate:0.###}/s");
}
