namespace ActorLb.Balancing;

/// <summary>
/// What the operator wants of a backend, with a drain's deadline and pace. Part of the <see cref="Backend"/>: written under its gate, read by
/// any thread. Times are in milliseconds of <see cref="MonotonicTime"/>.
/// </summary>
internal struct AdminOrder(AdminState state)
{
    private volatile AdminState _state = state;
    private volatile bool _isDrainOver;
    private volatile PacedDrain? _pacing;

    // When a drain turns into down; -1 is never. While it is paused: how much time it will have left.
    private long _drainEnd = -1;
    private long _drainHeld = -1;

    public readonly AdminState State => _state;

    public readonly BackendBlocks Blocks => _state switch
    {
        AdminState.Drain => BackendBlocks.Draining,
        AdminState.Down => BackendBlocks.AdminDown,
        _ => BackendBlocks.None,
    };

    public readonly bool IsDrainOver => _isDrainOver;

    public readonly PacedDrain? Pacing => _pacing;

    public TimeSpan? DrainLeft(long now) =>
        Volatile.Read(ref _drainHeld) is >= 0 and var held ? TimeSpan.FromMilliseconds(held)
        : Volatile.Read(ref _drainEnd) is >= 0 and var end ? TimeSpan.FromMilliseconds(Math.Max(0, end - now)) : null;

    /// <returns>Whether the state has changed, or a drain's deadline has passed.</returns>
    public bool Set(AdminState state, TimeSpan? drainLeft, bool isDrainOver, PacedDrain? pacing, long now)
    {
        long left = state == AdminState.Drain && drainLeft is { } time ? (long)time.TotalMilliseconds : -1;
        bool held = left >= 0 && pacing is { IsPaused: true };
        Volatile.Write(ref _drainHeld, held ? left : -1);
        Volatile.Write(ref _drainEnd, left >= 0 && !held ? now + left : -1);
        _pacing = pacing;
        bool wasOver = _isDrainOver;
        _isDrainOver = state == AdminState.Down && isDrainOver;
        if (_state == state && (wasOver || !_isDrainOver))
        {
            return false;
        }

        _state = state;
        return true;
    }
}
