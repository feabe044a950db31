using System.Collections.Immutable;
using System.Threading.Channels;

namespace ActorLb.Fleet;

/// <summary>What happened lately, and whoever wants to follow. A follower that is too slow misses the oldest.</summary>
internal sealed class FleetEvents
{
    private const int Kept = 256;

    private readonly Lock _gate = new();
    private readonly Queue<ClusterEvent> _recent = new();
    private readonly List<Channel<ClusterEvent>> _followers = [];

    public ImmutableArray<ClusterEvent> Recent
    {
        get
        {
            lock (_gate)
            {
                return [.. _recent];
            }
        }
    }

    public void Add(ClusterEvent item)
    {
        lock (_gate)
        {
            _recent.Enqueue(item);
            if (_recent.Count > Kept)
            {
                _recent.Dequeue();
            }

            foreach (var follower in _followers)
            {
                follower.Writer.TryWrite(item);
            }
        }
    }

    /// <summary>Events from now on, until cancelled.</summary>
    public async IAsyncEnumerable<ClusterEvent> FollowAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var channel = Channel.CreateBounded<ClusterEvent>(
            new BoundedChannelOptions(Kept) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        lock (_gate)
        {
            _followers.Add(channel);
        }

        try
        {
            await foreach (var item in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                yield return item;
            }
        }
        finally
        {
            lock (_gate)
            {
                _followers.Remove(channel);
            }
        }
    }
}
