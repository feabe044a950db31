using ActorLb.Balancing;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>Reports when a pool has no backend left that takes new clients, and when it has one again. Any thread, reactors included.</summary>
internal sealed partial class EmptyPools(ILogger logger, EventFeed events)
{
    /// <summary>Backends whose reason is named.</summary>
    private const int Most = 16;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _empty = new(StringComparer.Ordinal);

    /// <summary>Something of the pool has changed.</summary>
    public void Look(Pool pool)
    {
        string why;
        bool isEmpty;
        lock (_gate)
        {
            isEmpty = Eligible(pool) == 0;
            if (isEmpty ? !_empty.Add(pool.Name) : !_empty.Remove(pool.Name)) return;
            why = Reasons(pool);
        }
        if (isEmpty)
        {
            Log.Empty(logger, pool.Name, why);
            events.Publish("pool_empty", $"pool {pool.Name} has no backend left that takes new clients: {why}");
        }
        else
        {
            Log.Serving(logger, pool.Name);
            events.Publish("pool_serving", $"pool {pool.Name} has a backend again that takes new clients");
        }
    }

    /// <summary>The pool is no longer there.</summary>
    public void Forget(string pool)
    {
        lock (_gate) _empty.Remove(pool);
    }

    /// <summary>Backends that take new clients.</summary>
    public static int Eligible(Pool pool)
    {
        int eligible = 0;
        foreach (var backend in pool.Snapshot.Backends) eligible += backend.Blocks == BackendBlocks.None ? 1 : 0;
        return eligible;
    }

    private static string Reasons(Pool pool)
    {
        var all = pool.Snapshot.Backends.ToArray();
        if (all.Length == 0) return "it has none";
        string some = string.Join("; ", all.Take(Most).Select(b => $"{b.Id} ({string.Join(", ", BackendWords.Of(b.Blocks))})"));
        return all.Length > Most ? $"{some} and {all.Length - Most} more" : some;
    }

    private static partial class Log
    {
        [LoggerMessage(2207, LogLevel.Error, "pool {Pool} has no backend left that accepts new clients: {Reasons}")]
        public static partial void Empty(ILogger logger, string pool, string reasons);

        [LoggerMessage(2208, LogLevel.Information, "pool {Pool} has a backend again that accepts new clients")]
        public static partial void Serving(ILogger logger, string pool);
    }
}
