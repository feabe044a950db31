namespace ActorLb.Supervision;

/// <summary>
/// Delays that double between two bounds, each shortened at random by up to half, so that nodes don't retry in step.
/// </summary>
internal sealed class Backoff
{
    private readonly TimeSpan _first;
    private readonly TimeSpan _last;
    private readonly Random _random;
    private TimeSpan _next;

    public Backoff(TimeSpan first, TimeSpan last, Random random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(first, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(last, first);
        _first = first;
        _last = last;
        _random = random;
        _next = first;
    }

    public TimeSpan Next()
    {
        var delay = _next;
        _next = delay >= _last / 2 ? _last : delay * 2;
        return delay * (0.5 + (_random.NextDouble() / 2));
    }

    public void Reset() => _next = _first;
}
