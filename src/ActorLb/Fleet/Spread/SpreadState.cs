using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Protocol.Failures;
using ActorLb.Sticky;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Spread;

/// <summary>The outcome of an operator's change.</summary>
/// <param name="IsKnown">The backend is known; if not, nothing was changed.</param>
/// <param name="Pending">
/// Null if a majority of the fleet has the change; else why it holds only on this node, for display.
/// </param>
internal readonly record struct ChangeOutcome(bool IsKnown, string? Pending);

/// <summary>
/// State shared by all nodes of a fleet that doesn't belong to a shard: backends' slots and operators' changes, orders, ticket
/// keys, the key of the client ids, and configuration fingerprints. It lives as long as the process; in each fleet system a <see
/// cref="SpreadActor"/> replicates it. Thread-safe.
/// </summary>
internal sealed partial class SpreadState
{
    public const string HashKeyName = "hash-key";
    public const int HashKeySize = 16;

    /// <summary>Durable keys of Akka.DistributedData.</summary>
    public const string BackendsKey = "actorlb-backends", KeysKey = "actorlb-keys", OrdersKey = "actorlb-orders";

    /// <summary>A key of Akka.DistributedData that is not durable, because every node writes its part at start.</summary>
    public const string ConfigurationsKey = "actorlb-configurations";

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly BackendSlots _slots;
    private readonly ILogger _logger;
    private readonly bool _hasSecret;
    private readonly HashSet<ushort> _slotsInUse = [];
    private Registers _keys = Registers.Empty;
    private volatile IActorRef? _actor;
    private long _writes;
    private long _writeTicks;

    /// <param name="folder">Folder of the durable part.</param>
    public SpreadState(byte[]? secret, string cluster, string folder, BackendSlots slots, TimeProvider time, ILogger logger)
    {
        Folder = folder;
        _time = time;
        _slots = slots;
        _logger = logger;
        _hasSecret = secret is not null;
        Clock = new SpreadClock(time);
        Backends = new BackendRegistry(Clock, time);
        Tickets = new SharedTicketKeys(secret, time);
        Configurations = new NodeConfigurations(Clock);
        Orders = new FleetOrders(Clock, Restore(OrdersKey), () => WriteAsync(done => new SpreadActor.WriteOrders(done)), logger);
        // Restore what the last run stored, so that it applies at once, with or without a fleet.
        if (Restore(BackendsKey) is { } backends) Backends.Merge(backends);
        if (Restore(KeysKey) is { } keys) _keys = keys;
        HashKey = secret is null
            ? KeyIn(_keys) ?? RandomNumberGenerator.GetBytes(HashKeySize)
            : HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes("actorlb client id hash of " + cluster))[..HashKeySize];
    }

    public string Folder { get; }

    public SpreadClock Clock { get; }

    public BackendRegistry Backends { get; }

    public SharedTicketKeys Tickets { get; }

    public NodeConfigurations Configurations { get; }

    public FleetOrders Orders { get; }

    /// <summary>
    /// The 16-byte key with which all nodes hash client ids: derived from the secret, else the fleet's, else random until there
    /// is a fleet.
    /// </summary>
    public byte[] HashKey { get; private set; }

    /// <summary>The number of changes that a majority has confirmed, and their total time.</summary>
    public (long Count, TimeSpan Time) Writes => (Volatile.Read(ref _writes), TimeSpan.FromTicks(Volatile.Read(ref _writeTicks)));

    /// <summary>The current time stamp, for <see cref="CountWrite"/>.</summary>
    public long Now => _time.GetTimestamp();

    public void CountWrite(long since)
    {
        Interlocked.Increment(ref _writes);
        Interlocked.Add(ref _writeTicks, _time.GetElapsedTime(since).Ticks);
    }

    /// <summary>Called when slots or operators' changes have changed, on any thread; must not block.</summary>
    public Action<ImmutableArray<SpreadBackend>>? BackendsChanged { get; set; }

    /// <summary>
    /// Called when the fleet turns out to hash client ids with another key than this node did. Never with a secret.
    /// </summary>
    public Action<byte[]>? HashKeyChanged { get; set; }

    /// <summary>Sets the backends of this node's pools.</summary>
    public void Want(IEnumerable<BackendKey> keys)
    {
        if (!Backends.Want(keys)) return;
        Publish();
        _actor?.Tell(new SpreadActor.WriteBackends(null));
    }

    /// <summary>Sends the fingerprint of this node's configuration to the fleet.</summary>
    public void SetConfiguration(string node, Configuration.Effective.ConfigurationFingerprint fingerprint)
    {
        Configurations.Set(node, fingerprint);
        _actor?.Tell(SpreadActor.WriteConfigurations.Instance);
    }

    /// <summary>
    /// Changes a record on this node at once, then on a majority of the fleet. Completes within seconds either way.
    /// </summary>
    /// <param name="change">Receives the record and the stamp of the change.</param>
    public async Task<ChangeOutcome> ChangeAsync(BackendKey key, Func<BackendRecord, long, BackendRecord> change)
    {
        if (Backends.Change(key, change) is null) return new ChangeOutcome(false, null);
        Publish();
        return new ChangeOutcome(true, await WriteAsync(done => new SpreadActor.WriteBackends(done)).ConfigureAwait(false));
    }

    /// <summary>
    /// Reads a file of registers. A damaged one is renamed, so that it neither prevents a start nor is overwritten.
    /// </summary>
    /// <param name="then">What happens to the contents, for the log.</param>
    public static Registers? ReadOrSetAside(string path, Action<string> report, string then = "the fleet's other nodes are asked")
    {
        try
        {
            return RegisterFile.Read(path);
        }
        catch (SerializationException e)
        {
            report($"{path}: {e.Message}; it is renamed to {RegisterFile.SetAside(path)}, and {then}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            report($"{path} cannot be read: {FileFailure.Describe(e, path)}; {then}");
        }
        return null;
    }

    /// <summary>Sets the actor of the current fleet system; null when it ends.</summary>
    internal void Attach(IActorRef? actor) => _actor = actor;

    internal void OnBackends(Registers registers)
    {
        if (Backends.Merge(registers)) Publish();
    }

    internal void OnKeys(Registers registers)
    {
        Registers merged;
        byte[]? changed = null;
        lock (_gate)
        {
            merged = _keys = _keys.Merge(registers);
            if (!_hasSecret && KeyIn(merged) is { } key && !key.AsSpan().SequenceEqual(HashKey)) HashKey = changed = key;
        }
        foreach (var register in merged.Items.Values) Clock.Saw(register.Stamp);
        if (changed is not null) HashKeyChanged?.Invoke(changed);
        if (merged.Items.TryGetValue(SharedTicketKeys.Name, out var tickets) && !Tickets.Take(tickets)) Log.UnreadableTickets(_logger);
    }

    internal Registers Keys
    {
        get
        {
            lock (_gate) return _keys;
        }
    }

    /// <summary>The keys that a member must add to the fleet's; null for none.</summary>
    internal Registers? MissingKeys()
    {
        Registers known = Keys, added = known;
        if (!_hasSecret && KeyIn(known) is null) added = added.With(HashKeyName, new Register(BackendRecord.DefaultStamp, HashKey));
        if (Tickets.Replacement(Clock) is { } tickets) added = added.With(SharedTicketKeys.Name, tickets);
        return ReferenceEquals(added, known) ? null : added;
    }

    internal void Publish()
    {
        var all = Backends.Snapshot();
        lock (_gate)
        {
            var used = new HashSet<ushort>();
            foreach (var backend in all)
            {
                if (backend.State is not { } state) continue;
                used.Add(backend.Reference.Slot);
                _slots.Set(backend.Reference, state, isPaced: backend.Pacing is not null);
            }
            foreach (ushort slot in _slotsInUse)
            {
                if (!used.Contains(slot)) _slots.Clear(slot);
            }
            _slotsInUse.Clear();
            _slotsInUse.UnionWith(used);
        }
        BackendsChanged?.Invoke(all);
    }

    /// <summary>Makes the fleet system write the change.</summary>
    /// <returns>Null if a majority of the fleet has it; else why it holds only on this node, for display.</returns>
    private async Task<string?> WriteAsync(Func<TaskCompletionSource<string?>, object> message)
    {
        if (_actor is not { } actor) return "this node is detached from the fleet";
        var done = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        actor.Tell(message(done));
        try
        {
            return await done.Task.WaitAsync(SpreadActor.WritePatience * 2).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return "the fleet has not answered";
        }
    }

    private Registers? Restore(string key) => ReadOrSetAside(RegisterFile.PathOf(Folder, key), problem => Log.Damaged(_logger, problem));

    private static byte[]? KeyIn(Registers keys) =>
        keys.Items.TryGetValue(HashKeyName, out var register) && register.Value.Length == HashKeySize ? register.Value.ToArray() : null;

    private static partial class Log
    {
        [LoggerMessage(3401, LogLevel.Error, "{Problem}")]
        public static partial void Damaged(ILogger logger, string problem);

        [LoggerMessage(3402, LogLevel.Warning, "the fleet's TLS ticket keys cannot be read with this node's secret; they are replaced")]
        public static partial void UnreadableTickets(ILogger logger);
    }
}
