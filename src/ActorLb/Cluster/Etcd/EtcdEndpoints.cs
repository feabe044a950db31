using System.Collections.Immutable;

namespace ActorLb.Cluster.Etcd;

/// <summary>
/// Which member the next call goes to. Calls stay on one member until it fails; a failed one is left alone for a time that
/// doubles with each failure. When all are being left alone the one whose time ends first is tried all the same: the callers
/// have their own pace, and a call must not fail without having been tried.
/// </summary>
internal sealed class EtcdEndpoints
{
    /// <summary>A failed member's first rest.</summary>
    public static readonly TimeSpan FirstRest = TimeSpan.FromMilliseconds(100);

    /// <summary>A failed member's longest rest: about a lease's TTL, so that a restarted member is soon used again.</summary>
    public static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Random _random;

    // Guarded by _gate.
    private readonly int[] _failures;
    private readonly long[] _restUntil;
    private int _current;

    public EtcdEndpoints(ImmutableArray<Uri> uris, TimeProvider time, Random random)
    {
        if (uris.IsDefaultOrEmpty || uris.Length > 64)
        {
            throw new ArgumentException("etcd needs between 1 and 64 endpoints", nameof(uris));
        }

        Uris = uris;
        _time = time;
        _random = random;
        _failures = new int[uris.Length];
        _restUntil = new long[uris.Length];
        // Nodes that start together spread over the members.
        _current = random.Next(uris.Length);
    }

    public ImmutableArray<Uri> Uris { get; }

    /// <summary>The member to try next, or -1 when the bits of <paramref name="tried"/> cover all.</summary>
    public int Pick(ulong tried)
    {
        lock (_gate)
        {
            var now = _time.GetTimestamp();
            var resting = -1;
            for (var step = 0; step < Uris.Length; step++)
            {
                var i = (_current + step) % Uris.Length;
                if ((tried & (1UL << i)) != 0)
                {
                    continue;
                }

                if (_failures[i] == 0 || _restUntil[i] <= now)
                {
                    return i;
                }

                if (resting < 0 || _restUntil[i] < _restUntil[resting])
                {
                    resting = i;
                }
            }

            return resting;
        }
    }

    public void Succeeded(int index)
    {
        lock (_gate)
        {
            _failures[index] = 0;
            _current = index;
        }
    }

    public void Failed(int index)
    {
        lock (_gate)
        {
            var factor = 1 << Math.Min(_failures[index]++, 10);
            var rest = TimeSpan.FromTicks(Math.Min(FirstRest.Ticks * factor, LongestRest.Ticks));
            rest *= 0.75 + (_random.NextDouble() / 2);
            _restUntil[index] = _time.GetTimestamp() + (long)(rest.TotalSeconds * _time.TimestampFrequency);
            if (_current == index)
            {
                _current = (index + 1) % Uris.Length;
            }
        }
    }
}
