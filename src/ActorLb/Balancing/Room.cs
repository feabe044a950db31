namespace ActorLb.Balancing;

/// <summary>Which backends have room for a client under connects-per-second: there is a token, and no earlier client waits for
/// it.</summary>
/// <param name="Now">A <see cref="System.Diagnostics.Stopwatch"/> time stamp; 0 disables the check.</param>
/// <param name="Ticket">The client's, or <see cref="WaitingLine.Nobody"/> for a new one.</param>
/// <param name="First">The lowest ticket of the clients waiting for the first backend with room.</param>
internal readonly record struct Room(long Now, long Ticket, long First)
{
    public bool IsAsked => Now != 0;

    public bool IsAt(Backend backend)
    {
        var pace = backend.Pace;
        return pace.HasToken(Now)
            && (Math.Min(pace.Line.First, First) >= Ticket || (Ticket != WaitingLine.Nobody && pace.IsOverdue(Now)));
    }
}
