namespace ActorLb.Balancing;

/// <summary>A client's view of who has room for it under connects-per-second: there is a token, and nobody who came earlier waits for it.</summary>
/// <param name="Now">A <see cref="System.Diagnostics.Stopwatch"/> time stamp; 0 does not ask.</param>
/// <param name="Ticket">The client's, or <see cref="WaitingLine.Nobody"/> for one that has just come.</param>
/// <param name="First">The lowest ticket of those that wait for whichever backend has room.</param>
internal readonly record struct Room(long Now, long Ticket, long First)
{
    public bool IsAsked => Now != 0;

    public bool IsAt(Backend backend)
    {
        ConnectPace pace = backend.Pace;
        return pace.HasToken(Now)
            && (Math.Min(pace.Line.First, First) >= Ticket || (Ticket != WaitingLine.Nobody && pace.IsOverdue(Now)));
    }
}
