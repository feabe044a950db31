using System.Collections.Immutable;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using Microsoft.Extensions.Logging;

namespace ActorLb.Discovery;

/// <summary>Reports what an operator should know about a pool's discovery: each problem or remark once, until it changes.</summary>
/// <param name="ownListener">This node's listener at an address; null when there is none.</param>
internal sealed partial class DiscoveryReport(Pool pool, Func<IPEndPoint, string?> ownListener, ILogger logger)
{
    private string? _problem;
    private string? _remark;
    private string _own = "";
    private int _leftOut;
    private int _kept;

    public void Failed(string source, string problem)
    {
        if (!string.Equals(_problem, problem, StringComparison.Ordinal))
        {
            Log.DiscoveryFailed(logger, pool.Name, source, problem);
            pool.Raise(backend: null, PoolEventKind.DiscoveryFailed, problem);
        }

        _problem = problem;
    }

    /// <summary>The answer without this node itself: each of its clients would come back as a new one.</summary>
    public DiscoveryAnswer WithoutThisNode(string source, DiscoveryAnswer answer)
    {
        var others = answer.Backends.RemoveAll(b => OwnListener(b) is not null);
        string own = string.Join(", ", answer.Backends.Except(others).Select(b => $"{Backend.IdOf(b.Address)} ({OwnListener(b)})"));
        if (own.Length > 0 && own != _own)
        {
            Log.DiscoveredItself(logger, pool.Name, source, own);
        }

        _own = own;
        return answer with { Backends = others };
    }

    /// <summary>Reports how the pool differs from the answer that was applied to it.</summary>
    public void Answered(string source, DiscoveryAnswer answer)
    {
        _problem = null;
        int left = Math.Max(0, answer.Backends.Length - DiscoveryMerge.MaxTargets);
        HashSet<string> listed = new(answer.Backends.Select(b => Backend.IdOf(b.Address)), StringComparer.OrdinalIgnoreCase);
        int kept = pool.Snapshot.Backends.ToArray().Count(b => !b.Options.Added && !listed.Contains(b.Id));
        if (left > 0 && _leftOut != left)
        {
            Log.TooMany(logger, pool.Name, source, answer.Backends.Length, DiscoveryMerge.MaxTargets);
        }

        if (kept > 0 && _kept != kept)
        {
            Log.Kept(logger, pool.Name, source, kept);
        }

        (_leftOut, _kept) = (left, kept);
    }

    /// <param name="remark">Null when there is none; after a failure that says nothing about the earlier one.</param>
    public void Remarked(string? remark)
    {
        if (remark is not null && !string.Equals(_remark, remark, StringComparison.Ordinal))
        {
            Log.Remark(logger, pool.Name, remark);
        }

        _remark = remark ?? (_problem is null ? null : _remark);
    }

    private string? OwnListener(BackendOptions backend) =>
        IPAddress.TryParse(backend.Address.Host, out var address) ? ownListener(new IPEndPoint(address, backend.Address.Port)) : null;

    private static partial class Log
    {
        [LoggerMessage(2004, LogLevel.Warning, "pool {Pool}: discovery of {Name} failed: {Problem}; its backends stay as they are")]
        public static partial void DiscoveryFailed(ILogger logger, string pool, string name, string problem);

        [LoggerMessage(2007, LogLevel.Warning, "pool {Pool}: {Name} has {Count} backends; only {Taken} of them are used")]
        public static partial void TooMany(ILogger logger, string pool, string name, int count, int taken);

        [LoggerMessage(2008, LogLevel.Warning, "pool {Pool}: {Name} does not list {Kept} backends that work; they stay until the listed ones work, or until they fail")]
        public static partial void Kept(ILogger logger, string pool, string name, int kept);

        [LoggerMessage(2011, LogLevel.Error, "pool {Pool}: {Name} lists this node itself: {Own}; it is left out, since each of its clients would come back as a new one")]
        public static partial void DiscoveredItself(ILogger logger, string pool, string name, string own);

        [LoggerMessage(2019, LogLevel.Warning, "pool {Pool}: {Remark}")]
        public static partial void Remark(ILogger logger, string pool, string remark);
    }
}
