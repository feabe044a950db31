using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Dashboard;

/// <summary>
/// The node's last 15 minutes, from counters that exist anyway, so that the charts also show the time before the dashboard was opened.
/// A sample
/// every five seconds costs microseconds; the memory is bounded to 4 KiB per backend. Any thread.
/// </summary>
internal sealed partial class NodeHistory : IDisposable
{
    public const int Length = 180;

    /// <summary>Maximum number of backends with their own history.</summary>
    private const int MostBackends = 256;

    public static readonly TimeSpan Step = TimeSpan.FromSeconds(5);

    private static readonly int Minute = (int)(TimeSpan.FromMinutes(1) / Step);

    private readonly Node _node;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Sample[] _samples = new Sample[Length];
    private readonly Dictionary<Backend, Track> _backends = [];
    private readonly ITimer _timer;

    // Samples taken since the start; the newest is at (_taken - 1) % Length.
    private long _taken;

    public NodeHistory(Node node, TimeProvider time, ILogger logger)
    {
        _node = node;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static self => ((NodeHistory)self!).Look(), this, Step, Step);
    }

    private readonly record struct Sample(long At, DateTimeOffset Clock, int Connections, NodeCounters Counters);

    /// <summary>The node's current counters.</summary>
    public NodeCounters Counters => NodeCounters.Read(_node);

    public void Dispose() => _timer.Dispose();

    /// <summary>Takes a sample; normally called by the timer.</summary>
    public void Take()
    {
        var sample = new Sample(_time.GetTimestamp(), _time.GetUtcNow(), _node.Admission.Active, Counters);
        var answers = Answers();
        Backend[] known = [.. _node.Pools.SelectMany(p => p.Pool.Snapshot.Backends.ToArray())];
        lock (_gate)
        {
            int at = (int)(_taken % Length);
            _samples[at] = sample;
            foreach (var gone in _backends.Keys.Except(known).ToArray()) _backends.Remove(gone);
            foreach (var backend in known)
            {
                if (!_backends.TryGetValue(backend, out var track))
                {
                    if (_backends.Count == MostBackends) continue;
                    _backends.Add(backend, track = new Track(_taken));
                }
                (long count, double seconds) = answers.GetValueOrDefault(backend);
                track.Set(at, backend, count, seconds);
            }
            _taken++;
        }
    }

    /// <summary>The backends' recent activity, for <see cref="BackendStatistics"/>.</summary>
    public Dictionary<Backend, RecentTraffic> Recent()
    {
        var answers = Answers();
        var recent = new Dictionary<Backend, RecentTraffic>();
        lock (_gate)
        {
            foreach (var backend in _node.Pools.SelectMany(p => p.Pool.Snapshot.Backends.ToArray()))
            {
                (long count, double seconds) = answers.GetValueOrDefault(backend);
                recent[backend] = _backends.TryGetValue(backend, out var track)
                    ? track.Since(_taken, backend, count, seconds) with { DrainedFrom = backend.AdminState == AdminState.Drain ? DrainedFrom(track, backend) : null }
                    : new RecentTraffic(backend.Failures, count, seconds, null);
            }
        }
        return recent;
    }

    public NodeHistoryInfo Read()
    {
        lock (_gate)
        {
            int length = (int)Math.Min(_taken, Length);
            Sample[] samples = [.. Enumerable.Range(0, length).Select(i => _samples[(int)((_taken - length + i) % Length)])];
            return new NodeHistoryInfo(
                _node.Options.Node.Name, Step.TotalSeconds, [.. samples.Select(s => s.Connections)],
                Rates(samples, c => c.Connects), Rates(samples, c => c.Received), Rates(samples, c => c.Sent), Rates(samples, c => c.CpuSeconds),
                [
                    .. from pool in _node.Pools
                       from backend in pool.Pool.Snapshot.Backends.ToArray()
                       where _backends.ContainsKey(backend)
                       select new BackendHistoryInfo(pool.Name, backend.Id, _backends[backend].Connections(_taken, length)),
                ]);
        }
    }

    /// <summary>From the newest sample before the drain began, or from the oldest one if there is none.</summary>
    private int? DrainedFrom(Track track, Backend backend)
    {
        long oldest = Math.Max(track.First, _taken - Length);
        for (long number = _taken - 1; number >= oldest; number--)
        {
            int at = (int)(number % Length);
            if (_samples[at].Clock <= backend.History.Since || number == track.First) return Math.Max(track.ActiveAt(at), backend.Active);
        }
        return null;
    }

    private double[] Rates(Sample[] samples, Func<NodeCounters, double> counter)
    {
        double[] rates = new double[samples.Length];
        for (int i = 1; i < samples.Length; i++)
        {
            double seconds = _time.GetElapsedTime(samples[i - 1].At, samples[i].At).TotalSeconds;
            if (seconds > 0) rates[i] = Math.Round(Math.Max(0, counter(samples[i].Counters) - counter(samples[i - 1].Counters)) / seconds, 3);
        }
        if (rates.Length > 1) rates[0] = rates[1];
        return rates;
    }

    private Dictionary<Backend, (long Count, double Seconds)> Answers()
    {
        var answers = new Dictionary<Backend, (long Count, double Seconds)>();
        foreach ((var backend, var traffic) in _node.Reactors.SelectMany(r => r.TrafficSnapshot()))
        {
            (long count, double seconds) = answers.GetValueOrDefault(backend);
            for (int i = 0; i <= Histogram.Bounds.Length; i++) count += traffic.ConnackTime.CountAt(i);
            answers[backend] = (count, seconds + traffic.ConnackTime.Sum);
        }
        return answers;
    }

    private bool IsDue()
    {
        lock (_gate) return _taken == 0 || _time.GetElapsedTime(_samples[(int)((_taken - 1) % Length)].At) >= Step / 2;
    }

    /// <summary>The timer's callback.</summary>
    internal void Look()
    {
        try
        {
            // After the process was suspended the timer fires twice in a row: a rate over that moment would be a false peak.
            if (IsDue()) Take();
        }
        catch (Exception e)
        {
            // A gap in a chart must not end the process, as an exception in a timer would.
            Log.Failed(_logger, e);
        }
    }

    /// <summary>One backend's totals at each sample; the difference of two is what happened between them.</summary>
    /// <param name="first">Number of the first sample that includes it.</param>
    private sealed class Track(long first)
    {
        private readonly int[] _active = new int[Length];
        private readonly int[] _failures = new int[Length];
        private readonly int[] _answers = new int[Length];
        private readonly double[] _seconds = new double[Length];

        public long First => first;

        public int ActiveAt(int at) => _active[at];

        public void Set(int at, Backend backend, long answers, double seconds)
        {
            _active[at] = backend.Active;
            // Differences are right even when these wrap around.
            _failures[at] = unchecked((int)backend.Failures);
            _answers[at] = unchecked((int)answers);
            _seconds[at] = seconds;
        }

        public RecentTraffic Since(long taken, Backend backend, long answers, double seconds)
        {
            int oldest = Index(taken, Length), minute = Index(taken, Minute);
            // It is younger than the history, so its totals are all recent.
            bool whole = taken - first < Length;
            return new RecentTraffic(
                whole ? backend.Failures : unchecked((uint)((int)backend.Failures - _failures[oldest])),
                taken - first < Minute ? answers : unchecked((uint)((int)answers - _answers[minute])),
                taken - first < Minute ? seconds : seconds - _seconds[minute], null);
        }

        public int[] Connections(long taken, int length)
        {
            int[] all = new int[length];
            for (int i = 0; i < length; i++)
            {
                long number = taken - length + i;
                if (number >= first) all[i] = _active[(int)(number % Length)];
            }
            return all;
        }

        private int Index(long taken, int back) => (int)(Math.Max(first, taken - back) % Length);
    }

    private static partial class Log
    {
        [LoggerMessage(3080, LogLevel.Error, "a sample for the dashboard's charts failed; the next one follows in a few seconds")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}

/// <summary>Counters of a node since its start.</summary>
internal readonly record struct NodeCounters(long Connects, long Received, long Sent, double CpuSeconds)
{
    public static NodeCounters Read(Node node)
    {
        long connects = 0, received = 0, sent = 0;
        foreach (var counters in node.Reactors.Select(r => r.Counters))
        {
            connects += Volatile.Read(ref counters.Requests);
            received += Volatile.Read(ref counters.BytesFromClients);
            sent += Volatile.Read(ref counters.BytesFromBackends);
        }
        return new NodeCounters(connects, received, sent, Environment.CpuUsage.TotalTime.TotalSeconds);
    }
}

/// <param name="Failures">In the last 15 minutes.</param>
/// <param name="Answers">In the last minute, as are their seconds.</param>
internal readonly record struct RecentTraffic(long Failures, long Answers, double AnswerSeconds, int? DrainedFrom);
