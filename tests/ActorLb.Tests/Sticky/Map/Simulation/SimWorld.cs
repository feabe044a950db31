namespace ActorLb.Tests.Sticky.Map.Simulation;

/// <summary>An invariant of the map was violated.</summary>
internal sealed class InvariantException(string message) : Exception(message);

/// <summary>Virtual time and its events, in an order determined by the seed alone.</summary>
internal sealed class SimWorld(int seed) : TimeProvider
{
    private static readonly ulong Traced =
        Convert.ToUInt64(Environment.GetEnvironmentVariable("SIMULATION_CLIENT") ?? "0", 16);

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly Queue<string> _history = new();
    private long _order;

    public Random Random { get; } = new(seed);

    /// <summary>In milliseconds.</summary>
    public long Now { get; private set; }

    public override long TimestampFrequency => 1000;

    public long Events { get; private set; }

    public override long GetTimestamp() => Now;

    public void At(long time, Action action) => _events.Enqueue(action, (Math.Max(time, Now), _order++));

    public void In(long delay, Action action) => At(Now + delay, action);

    public void RunUntil(long time)
    {
        while (_events.TryPeek(out _, out var key) && key.At <= time)
        {
            Now = key.At;
            Events++;
            _events.Dequeue()();
        }

        Now = time;
    }

    public bool Chance(double probability) => Random.NextDouble() < probability;

    public T Pick<T>(IReadOnlyList<T> items) => items[Random.Next(items.Count)];

    public void Note(string text)
    {
        _history.Enqueue($"{Now,7} {text}");
        if (_history.Count > 400)
        {
            _history.Dequeue();
        }
    }

    /// <summary>For manual runs, SIMULATION_CLIENT=hash adds this client's history to the notes.</summary>
    public void Trace(ulong h, Func<string> text)
    {
        if (h == Traced)
        {
            Note(text());
        }
    }

    public void Fail(string rule) => throw new InvariantException(
        $"seed {seed}, {Now} ms: {rule}{Environment.NewLine}{string.Join(Environment.NewLine, _history)}");
}
