using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>One thing that is asked of the store at a time, and not again before the pause after a failure is over.</summary>
internal sealed class StoreErrand
{
    public bool IsBusy { get; set; }

    public long NotBefore { get; set; }

    public bool IsDue(long now) => !IsBusy && now >= NotBefore;
}

/// <summary>Calls of the store under way: numbers them, finds the handler of a reply, and tells whether the store is there at all.</summary>
internal sealed class StoreCalls(List<ClusterEffect> effects, long retryMilliseconds)
{
    private readonly Dictionary<int, Action<StoreReply>> _handlers = [];
    private int _last;

    /// <summary>Null before the first answer.</summary>
    public bool? IsStoreUp { get; private set; }

    public string? LastFault { get; private set; }

    public void Issue(StoreCallKind kind, long lease, StoreTransaction? transaction, Action<StoreReply> handler)
    {
        var number = ++_last;
        _handlers[number] = handler;
        effects.Add(new CallStore(new StoreCall(number, kind, lease, transaction)));
    }

    /// <summary>Issues a call for an errand that must not overlap itself; a failure makes it pause.</summary>
    public void Issue(
        StoreErrand errand, long now, StoreCallKind kind, long lease, StoreTransaction? transaction, Action<StoreReply, long> handler)
    {
        errand.IsBusy = true;
        errand.NotBefore = now + retryMilliseconds;
        Issue(kind, lease, transaction, reply =>
        {
            errand.IsBusy = false;
            errand.NotBefore = reply.IsOk ? 0 : _now + retryMilliseconds;
            handler(reply, _now);
        });
    }

    private long _now;

    public void OnReply(StoreReply reply, long now)
    {
        _now = now;
        if (!_handlers.Remove(reply.Number, out var handler))
        {
            return;
        }

        var up = reply.Error is StoreError.None or StoreError.Compacted;
        if (!up)
        {
            LastFault = reply.Detail;
        }

        if (IsStoreUp != up)
        {
            if (!up)
            {
                effects.Add(new Announce(ClusterEventKind.StoreLost, $"the cluster store fails ({reply.Error}): {reply.Detail}"));
            }
            else if (IsStoreUp == false)
            {
                effects.Add(new Announce(ClusterEventKind.StoreBack, "the cluster store answers again"));
            }

            IsStoreUp = up;
        }

        handler(reply);
    }
}
