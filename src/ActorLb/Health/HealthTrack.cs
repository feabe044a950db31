using ActorLb.Balancing;

namespace ActorLb.Health;

/// <summary>
/// A verdict from probe results: <c>fall</c> failures in a row take a backend down, <c>rise</c> successes bring it back. The first
/// result of all decides at once, so that a dead broker gets no client while the node starts.
/// </summary>
/// <param name="Streak">Results in a row that contradict <paramref name="State"/>.</param>
internal readonly record struct HealthTrack(HealthState State, int Streak)
{
    public HealthTrack Next(bool alive, int rise, int fall)
    {
        HealthState result = alive ? HealthState.Up : HealthState.Down;
        if (State == HealthState.Unknown)
        {
            return new HealthTrack(result, 0);
        }

        if (result == State)
        {
            return this with { Streak = 0 };
        }

        int needed = alive ? rise : fall;
        return Streak + 1 >= needed ? new HealthTrack(result, 0) : this with { Streak = Streak + 1 };
    }
}
