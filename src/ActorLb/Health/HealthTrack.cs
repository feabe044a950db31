using ActorLb.Balancing;

namespace ActorLb.Health;

/// <summary>
/// A verdict from probe results: <c>fall</c> failures in a row take a backend down, <c>rise</c> successes bring it back. The very first
/// result decides at once, so that a dead broker gets no client while the node starts; so does a refusal by the backend
/// itself, which need not be repeated.
/// </summary>
/// <param name="Streak">Results in a row that contradict <paramref name="State"/>.</param>
/// <param name="Failures">Failures in a row, whatever the state.</param>
internal readonly record struct HealthTrack(HealthState State, int Streak, int Failures = 0)
{
    public HealthTrack Next(bool alive, int rise, int fall, bool refused = false)
    {
        var result = alive ? HealthState.Up : HealthState.Down;
        int failures = alive ? 0 : Failures + 1;
        if (State == HealthState.Unknown)
        {
            return new HealthTrack(result, 0, failures);
        }

        if (result == State)
        {
            return new HealthTrack(State, 0, failures);
        }

        int needed = alive ? rise : refused ? 1 : fall;
        return Streak + 1 >= needed ? new HealthTrack(result, 0, failures) : new HealthTrack(State, Streak + 1, failures);
    }
}
