using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Protocol.Failures;
using ActorLb.Sticky;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Spread;

/// <summary>How an operator's change went.</summary>
/// <param name="IsKnown">The backend is known; else nothing was changed.</param>
/// <param name="Pending">Null when a majority of the fleet has the change; else why it holds on this node alone, for people.</param>
internal readonly record struct ChangeOutcome(bool IsKnown, string? Pending);

/// <summary>
/// What all nodes of a fleet should know and no shard holds: the brokers' slots and operators' changes, ticket keys, the key of the client ids.
/// It lives as long as the process; while there is a fleet system, a <see cref="SpreadActor"/> carries it. Any thread.
/// </summary>
internal sealed partial class SpreadState
{
    public const string HashKeyName = "hash-key";
    public const int HashKeySize = 16;

    /// <summary>Keys of Akka.DistributedData, all durable.</summary>
    public const string BackendsKey = "actorlb-backends", KeysKey = "actorlb-keys", OrdersKey = "actorlb-orders";

    /// <summary>Key of Akka.DistributedData, for what every node says again when it starts.</summary>
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

    /// <param name="folder">Where the durable part is kept between runs.</param>
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
        // What the last run knew holds from the first moment, whether or not the fleet is there.
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

    /// <summary>The 16 bytes under which all nodes hash client ids: from the secret, else what the fleet has, else random until there is a fleet.</summary>
    public byte[] HashKey { get; private set; }

    /// <summary>Changes that a majority has confirmed, and how long that took in all.</summary>
    public (long Count, TimeSpan Time) Writes => (Volatile.Read(ref _writes), TimeSpan.FromTicks(Volatile.Read(ref _writeTicks)));

    /// <summary>A time stamp, for <see cref="CountWrite"/>.</summary>
    public long Now => _time.GetTimestamp();

    public void CountWrite(long since)
    {
        Interlocked.Increment(ref _writes);
        Interlocked.Add(ref _writeTicks, _time.GetElapsedTime(since).Ticks);
    }

    /// <summary>Hears of new slots and operators' changes; any thread, must not block.</summary>
    public Action<ImmutableArray<SpreadBackend>>? BackendsChanged { get; set; }

    /// <summary>Hears that the fleet hashes client ids under another key than this node did. Never with a secret.</summary>
    public Action<byte[]>? HashKeyChanged { get; set; }

    /// <summary>The backends of this node's pools.</summary>
    public void Want(IEnumerable<BackendKey> keys)
    {
        if (!Backends.Want(keys)) return;
        Publish();
        _actor?.Tell(new SpreadActor.WriteBackends(null));
    }

    /// <summary>Tells the fleet what configuration is in force here.</summary>
    public void SetConfiguration(string node, Configuration.Effective.ConfigurationFingerprint fingerprint)
    {
        Configurations.Set(node, fingerprint);
        _actor?.Tell(SpreadActor.WriteConfigurations.Instance);
    }

    /// <summary>Changes a record: at once here, then on the majority of the fleet. Ends within some seconds either way.</summary>
    /// <param name="change">Gets the record and the stamp of the change.</param>
    public async Task<ChangeOutcome> ChangeAsync(BackendKey key, Func<BackendRecord, long, BackendRecord> change)
    {
        if (Backends.Change(key, change) is null) return new ChangeOutcome(false, null);
        Publish();
        return new ChangeOutcome(true, await WriteAsync(done => new SpreadActor.WriteBackends(done)).ConfigureAwait(false));
    }

    /// <summary>Reads a file of registers; a damaged one is set aside, so that it neither stops a start nor is overwritten.</summary>
    /// <param name="then">What becomes of its contents, for people.</param>
    public static Registers? ReadOrSetAside(string path, Action<string> tell, string then = "the fleet's other nodes are asked")
    {
        try
        {
            return RegisterFile.Read(path);
        }
        catch (SerializationException e)
        {
            tell($"{path}: {e.Message}; it is kept as {RegisterFile.SetAside(path)}, and {then}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            tell($"{path} cannot be read: {FileFailure.Describe(e, path)}; {then}");
        }
        return null;
    }

    /// <summary>A fleet system carries the state from now on; null when it ends.</summary>
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
        foreach (Register register in merged.Items.Values) Clock.Saw(register.Stamp);
        if (changed is not null) HashKeyChanged?.Invoke(changed);
        if (merged.Items.TryGetValue(SharedTicketKeys.Name, out Register tickets) && !Tickets.Take(tickets)) Log.UnreadableTickets(_logger);
    }

    internal Registers Keys
    {
        get
        {
            lock (_gate) return _keys;
        }
    }

    /// <summary>What a member that knows the fleet's keys has to add to them; null for nothing.</summary>
    internal Registers? MissingKeys()
    {
        Registers known = Keys, added = known;
        if (!_hasSecret && KeyIn(known) is null) added = added.With(HashKeyName, new Register(BackendRecord.DefaultStamp, HashKey));
        if (Tickets.Replacement(Clock) is { } tickets) added = added.With(SharedTicketKeys.Name, tickets);
        return ReferenceEquals(added, known) ? null : added;
    }

    internal void Publish()
    {
        ImmutableArray<SpreadBackend> all = Backends.Snapshot();
        lock (_gate)
        {
            var used = new HashSet<ushort>();
            foreach (SpreadBackend backend in all)
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

    /// <summary>Has the fleet system write what changed.</summary>
    /// <returns>Null when a majority of the fleet has it; else why it holds on this node alone, for people.</returns>
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
        keys.Items.TryGetValue(HashKeyName, out Register register) && register.Value.Length == HashKeySize ? register.Value.ToArray() : null;

    private static partial class Log
    {
        [LoggerMessage(3401, LogLevel.Error, "{Problem}")]
        public static partial void Damaged(ILogger logger, string problem);

        [LoggerMessage(3402, LogLevel.Warning, "the fleet's TLS ticket keys cannot be read with this node's secret; they are replaced")]
        public static partial void UnreadableTickets(ILogger logger);
    }
}
