using System.Diagnostics;
using System.Threading.Channels;
using ActorLb.Balancing;

namespace ActorLb.Telemetry;

/// <summary>
/// Traces some connection set-ups step by step for an exporter of spans. Finished ones wait here, up to
/// <see cref="MostWaiting"/>; further ones are lost and counted. Any thread.
/// </summary>
/// <param name="sample">Fraction of the set-ups, 0 to 1.</param>
internal sealed class SetupTraces(double sample, TimeProvider time)
{
    public const int MostWaiting = 2048;

    // Compared with a random number of 64 bits; all of them is one more than any.
    private readonly ulong _below = sample >= 1 ? ulong.MaxValue : (ulong)(sample * ulong.MaxValue);

    private readonly Channel<SetupTrace> _finished = Channel.CreateBounded<SetupTrace>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    private long _lost;

    public ChannelReader<SetupTrace> Finished => _finished.Reader;

    /// <summary>Traces lost.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Null for a set-up that is not traced.</summary>
    public SetupTrace? Begin(string listener, string pool, string step) =>
        ThreadRandom.Next() <= _below && _below > 0 ? new SetupTrace(this, time.GetUtcNow(), listener, pool, step) : null;

    public void Lose(long spans) => Interlocked.Add(ref _lost, spans);

    internal void Finish(SetupTrace trace)
    {
        if (!_finished.Writer.TryWrite(trace)) Lose(1);
    }
}

/// <param name="Stamp">Of <see cref="Stopwatch"/>.</param>
/// <param name="Detail">A backend, or a reason; null when the name is enough.</param>
internal readonly record struct SetupStep(long Stamp, string Name, string? Detail);

/// <summary>
/// One connection from its accept to its CONNACK or its refusal. It names listener, pool and backends, never the client. Written by
/// its reactor until it is finished, read by one thread after that.
/// </summary>
internal sealed class SetupTrace
{
    /// <summary>One step per phase for each backend that may be tried.</summary>
    private const int MostSteps = 128;

    private readonly SetupTraces _all;
    private readonly List<SetupStep> _steps = new(8);

    internal SetupTrace(SetupTraces all, DateTimeOffset began, string listener, string pool, string step)
    {
        _all = all;
        (BeganAt, Listener, Pool) = (began, listener, pool);
        BeganStamp = Stopwatch.GetTimestamp();
        _steps.Add(new SetupStep(BeganStamp, step, null));
    }

    public DateTimeOffset BeganAt { get; }

    public long BeganStamp { get; }

    public long EndedStamp { get; private set; }

    public string Listener { get; }

    public string Pool { get; private set; }

    /// <summary>The last backend dialled; null when there was none.</summary>
    public string? Backend { get; private set; }

    /// <summary>Backends dialled.</summary>
    public int Tries { get; private set; }

    /// <summary>Why it failed; null when the client was accepted.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Such as "5"; null when no CONNECT was read.</summary>
    public string? Mqtt { get; set; }

    public IReadOnlyList<SetupStep> Steps => _steps;

    public void Step(string name, string? detail = null)
    {
        if (_steps.Count < MostSteps) _steps.Add(new SetupStep(Stopwatch.GetTimestamp(), name, detail));
    }

    public void Dial(string pool, string backend)
    {
        (Pool, Backend) = (pool, backend);
        Tries++;
        Step("dial", backend);
    }

    /// <param name="refusal">Null when the client was accepted.</param>
    public void Finish(string? refusal)
    {
        EndedStamp = Stopwatch.GetTimestamp();
        Refusal = refusal;
        _all.Finish(this);
    }
}
