using System.Collections.Immutable;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Membership;
using ActorLb.Fleet.Sharding;
using ActorLb.Fleet.Spread;
using ActorLb.Protocol.Failures;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet;

/// <summary>
/// This node's part in a fleet: its shards of the map, the spread state, and the fleet systems that carry both. It lives as long
/// as the process, across memberships.
/// </summary>
internal sealed partial class LocalMember : IAsyncDisposable
{
    /// <summary>Folder below <c>node.data-dir</c> for what the fleet systems keep between runs.</summary>
    private const string Folder = "fleet";

    /// <summary>For joining a fleet, which takes 1 to 4 s.</summary>
    private static readonly TimeSpan JoinWait = TimeSpan.FromSeconds(8);

    /// <summary>For seeds that accept the connection but never answer.</summary>
    private static readonly TimeSpan SilentWait = TimeSpan.FromSeconds(3);

    private readonly StickyHash _hash;
    private readonly TimeProvider _time;
    private readonly MapClock _clock;
    private readonly ILogger _logger;

    // Raised when the membership, the seeds' answers or the map's directory change.
    private readonly Pulse _joining = new();

    /// <param name="collect">
    /// Returns this node's connection counts and health verdicts, complete. Called four times a second; must not block.
    /// </param>
    /// <param name="summed">Receives the fleet's sums on any thread; must not block.</param>
    /// <exception cref="IOException">The secret or a folder is not usable.</exception>
    public LocalMember(
        ActorLbOptions options, BackendSlots slots, Func<ImmutableArray<BackendReport>> collect, Action<FleetReport> summed, Inquiry inquiry,
        EventFeed events, TimeProvider time, ILoggerFactory loggers)
    {
        _time = time;
        _logger = loggers.CreateLogger("ActorLb.Fleet");
        Settings = FleetSettings.Of(options);
        byte[]? secret = Settings.SecretFile is { } file ? FleetSecurity.ReadSecret(file) : null;
        Spread = new SpreadState(secret, Settings.Cluster, FolderOf(options.Node.DataDirectory), slots, time, _logger);
        _hash = new StickyHash(Spread.HashKey);
        var transport = new AkkaMapTransport();
        Map = new ShardedMap(
            new MapSettings(Settings.Shards, options.Sticky.Ttl, options.Sticky.MaxEntries), _hash, slots, new StickyClock(time), transport);
        Map.Context.FellBack = note => Log.FellBack(_logger, note.Shard, note.Waited, note.Late, note.Owner, note.Replica, note.Answer.Backend);
        Map.Context.IsFallbackLogEnabled = () => _logger.IsEnabled(LogLevel.Debug);
        Spread.HashKeyChanged = key =>
        {
            Log.OtherHashKey(_logger);
            _hash.Rekey(key);
            Map.Forget();
        };
        Counts = new FleetCounts(time);
        Shards = new MapPart(Map, transport);
        Host = new FleetHost(Settings, [Shards, new SpreadPart(Spread, Counts, collect, summed), inquiry], events, time, loggers);
        Host.Changed = _joining.Raise;
        Map.ViewChanged = _joining.Raise;
        _clock = new MapClock(Map, e => Log.ClockFailed(_logger, e));
    }

    public FleetSettings Settings { get; }

    public ShardedMap Map { get; }

    public SpreadState Spread { get; }

    public FleetCounts Counts { get; }

    /// <summary>Every member has recently reported its sessions. Always false while this node is not a member.</summary>
    public bool KnowsAllCounts => Host.Standing is { Stage: FleetStage.Member, Members: { } members } && Counts.Report.LiveNodes >= members.All.Length;

    public MapPart Shards { get; }

    public FleetHost Host { get; }

    /// <summary>
    /// The node that allocates the shards: the sharding coordinator runs on the oldest member. Null while detached.
    /// </summary>
    public string? Coordinator => Host.Standing.Members is null ? null : Host.System?.Oldest;

    /// <summary>Returns at once; the fleet forms in the background.</summary>
    /// <exception cref="IOException">The cluster's address cannot be bound, or a certificate is not usable.</exception>
    public void Start() => Host.Start();

    /// <summary>
    /// Waits until this node has joined an existing fleet and knows where every shard is: clients accepted earlier could be sent
    /// to the wrong brokers. Returns at once if no seed listens, and soon if none of them is a member.
    /// </summary>
    public async Task WhenJoinedAsync(CancellationToken cancel)
    {
        if (!await SeedProbe.AnyListensAsync(Settings, cancel).ConfigureAwait(false)) return;
        long start = _time.GetTimestamp();
        while (!cancel.IsCancellationRequested)
        {
            // Taken before the checks, so that no change after them is missed.
            var changed = _joining.Next;
            if (IsComplete) return;
            bool? found = Host.System?.FoundCluster;
            var left = (found is null ? SilentWait : JoinWait) - _time.GetElapsedTime(start);
            if (found == false || left <= TimeSpan.Zero) return;
            using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await Task.WhenAny(changed, Task.Delay(left, _time, wait.Token)).ConfigureAwait(false);
            await wait.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Every shard has a reachable owner.</summary>
    private bool IsComplete => Host.Standing.Stage == FleetStage.Member && Map.Members is { } members
        && Map.Directory.Shards.All(s => s is not null && (s.Owner == members.Self || members.CanReach(s.Owner)));

    /// <summary>The client's key in the map.</summary>
    public ulong KeyOf(string pool, string clientId) => Map.Hash(Encoding.UTF8.GetBytes(pool), Encoding.UTF8.GetBytes(clientId));

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync().ConfigureAwait(false);
        _clock.Dispose();
        Map.Dispose();
    }

    /// <summary>The folder of the fleet systems' state; a node by itself keeps its orders there.</summary>
    public static string FolderBelow(string data) => Path.GetFullPath(Path.Combine(data, Folder));

    private static string FolderOf(string data)
    {
        string folder = FolderBelow(data);
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new IOException($"node.data-dir: {folder} cannot be made: {FileFailure.DescribeMaking(e, folder)}", e);
        }
        return folder;
    }

    private static partial class Log
    {
        [LoggerMessage(3305, LogLevel.Error, "the map's clock failed; it keeps running")]
        public static partial void ClockFailed(ILogger logger, Exception exception);

        [LoggerMessage(3306, LogLevel.Debug, "a lookup in shard {Shard} fell back to {Backend} after {Waited} ms, of which its timer was {Late} ms late; owner: {Owner}; replica: {Replica}")]
        public static partial void FellBack(ILogger logger, int shard, long waited, long late, string owner, string replica, BackendRef backend);

        [LoggerMessage(3307, LogLevel.Warning, "this node hashed client ids with its own key until it joined; its entries are dropped, and clients are looked up in the fleet")]
        public static partial void OtherHashKey(ILogger logger);
    }
}
