using System.Collections.Immutable;
using System.Text;
using ActorLb.Protocol.Failures;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Spread;

/// <param name="Stamp">Time of its last change by <see cref="SpreadClock"/>.</param>
/// <param name="IsLocal">Changed on this node and not yet stored by the fleet (on a node by itself: on its disk).</param>
internal readonly record struct FleetOrder(string Name, ReadOnlyMemory<byte> Value, long Stamp, bool IsLocal);

/// <summary>The outcome of changing an order.</summary>
/// <param name="Refused">Why nothing was changed, for display; else null.</param>
/// <param name="Pending">
/// Why the fleet (or the disk) doesn't have the change yet, which holds on this node, for display; else null.
/// </param>
internal readonly record struct OrderOutcome(string? Refused, string? Pending);

/// <summary>
/// Operators' named orders, such as <c>ban/...</c>, which apply on every node and survive restarts; the last writer wins. A
/// change applies here at once, with or without a fleet. A node by itself keeps them in its data folder. Thread-safe.
/// </summary>
internal sealed partial class FleetOrders
{
    /// <summary>The most bytes of a name in UTF-8, and of a value.</summary>
    public const int LongestName = 512, LongestValue = 4096;

    /// <summary>
    /// The most bytes of all orders together: every change sends all of them to the other nodes in one message, whose frame is
    /// limited.
    /// </summary>
    public const int MostBytes = 128 * 1024;

    private readonly Lock _gate = new();
    private readonly SpreadClock _clock;
    private readonly ILogger _logger;
    private readonly Func<Task<string?>> _keep;

    // Stamps of changes made here that are not stored yet.
    private readonly Dictionary<string, long> _unconfirmed = new(StringComparer.Ordinal);

    // Stamps of the unreadable orders already logged.
    private readonly Dictionary<string, long> _reported = new(StringComparer.Ordinal);
    private Registers _all;
    private int _bytes;

    /// <param name="known">What the last run stored.</param>
    /// <param name="keep">Stores all orders; returns null if done, else why not.</param>
    public FleetOrders(SpreadClock clock, Registers? known, Func<Task<string?>> keep, ILogger logger)
    {
        _clock = clock;
        _keep = keep;
        _logger = logger;
        _all = (known ?? Registers.Empty).WithoutOldTombstones();
        if (_all.Items.IsEmpty) return;
        foreach (var register in _all.Items.Values) clock.Saw(register.Stamp);
        _bytes = SizeOf(_all);
    }

    /// <summary>An order changed, here or on another node. Raised on any thread; handlers must not block.</summary>
    public event Action? Changed;

    internal bool HasUnconfirmed
    {
        get
        {
            lock (_gate) return _unconfirmed.Count > 0;
        }
    }

    /// <summary>The orders of a node by itself, stored in a file of the folder, which is created with the first order.</summary>
    public static FleetOrders InFolder(string folder, TimeProvider time, ILogger logger)
    {
        string path = RegisterFile.PathOf(folder, SpreadState.OrdersKey);
        var known = SpreadState.ReadOrSetAside(path, problem => Log.Damaged(logger, problem), "the orders in it are lost");
        FleetOrders? orders = null;
        var writing = new Lock();
        return orders = new FleetOrders(new SpreadClock(time), known, () => Task.Run(Keep), logger);

        string? Keep()
        {
            try
            {
                // Under the lock, so that the file always ends with the newest orders.
                lock (writing)
                {
                    var all = orders!.ToRegisters();
                    Directory.CreateDirectory(folder);
                    RegisterFile.Write(path, all);
                    orders.Confirm(all);
                }
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
            {
                return $"{path} cannot be written: {FileFailure.Describe(e, path)}";
            }
        }
    }

    /// <returns>Null if there is no such order, or it was withdrawn.</returns>
    public FleetOrder? Get(string name)
    {
        lock (_gate) return _all.Items.TryGetValue(name, out var register) && register.Value.Length > 0 ? OrderOf(name, register) : null;
    }

    /// <summary>The orders whose names start with the prefix, in ordinal order.</summary>
    public ImmutableArray<FleetOrder> All(string prefix)
    {
        lock (_gate)
        {
            return
            [
                .. _all.Items.Where(i => i.Value.Value.Length > 0 && i.Key.StartsWith(prefix, StringComparison.Ordinal))
                    .Select(i => OrderOf(i.Key, i.Value)),
            ];
        }
    }

    /// <summary>
    /// Like <see cref="All"/>, decoded. Orders that can't be read, being damaged or of a later release, are left out and logged
    /// once.
    /// </summary>
    /// <param name="decode">Decodes an order; returns null if it can't be read.</param>
    public ImmutableArray<T> Read<T>(string prefix, Func<FleetOrder, T?> decode)
        where T : class
    {
        var read = ImmutableArray.CreateBuilder<T>();
        foreach (var order in All(prefix))
        {
            if (decode(order) is { } known) read.Add(known);
            else ReportUnreadable(order);
        }
        return read.ToImmutable();
    }

    /// <summary>
    /// Sets an order; an empty value withdraws it. It applies here when this method returns its task, which completes within
    /// seconds.
    /// </summary>
    public Task<OrderOutcome> SetAsync(string name, ReadOnlyMemory<byte> value) => ChangeAsync(name, (_, _) => value);

    /// <summary>Like <see cref="SetAsync"/>, computing the new value from the current one.</summary>
    /// <param name="change">
    /// Receives the current value (empty for none) and the stamp of the change; returns the new value. Called under a lock.
    /// </param>
    public async Task<OrderOutcome> ChangeAsync(string name, Func<ReadOnlyMemory<byte>, long, ReadOnlyMemory<byte>> change)
    {
        lock (_gate)
        {
            var old = _all.Items.GetValueOrDefault(name);
            long stamp = _clock.Next();
            var value = change(old.Value, stamp);
            if (value.Span.SequenceEqual(old.Value.Span) && !_unconfirmed.ContainsKey(name)) return default;
            if (value.Length > 0 && Problem(name, value, old) is { } problem) return new OrderOutcome(problem, null);
            Put(_all.With(name, new Register(stamp, value)).WithoutOldTombstones());
            _unconfirmed[name] = stamp;
        }
        Changed?.Invoke();
        return new OrderOutcome(null, await _keep().ConfigureAwait(false));
    }

    /// <summary>Merges what other nodes know.</summary>
    internal void Merge(Registers registers)
    {
        lock (_gate)
        {
            foreach (var register in registers.Items.Values) _clock.Saw(register.Stamp);
            var merged = _all.Merge(registers);
            if (ReferenceEquals(merged, _all)) return;
            foreach ((string name, long stamp) in _unconfirmed.ToArray())
            {
                if (merged.Items.TryGetValue(name, out var register) && register.Stamp > stamp) _unconfirmed.Remove(name);
            }
            Put(merged);
        }
        Changed?.Invoke();
    }

    internal Registers ToRegisters()
    {
        lock (_gate) return _all;
    }

    /// <summary>Everything in <paramref name="written"/> is stored.</summary>
    internal void Confirm(Registers written)
    {
        lock (_gate)
        {
            foreach ((string name, long stamp) in _unconfirmed.ToArray())
            {
                if (!written.Items.TryGetValue(name, out var register) || register.Stamp >= stamp) _unconfirmed.Remove(name);
            }
        }
    }

    /// <summary>Withdrawn orders have a limit of their own, so they don't count.</summary>
    private static int SizeOf(Registers registers) => registers.Items.Where(i => !i.Value.Value.IsEmpty).Sum(i => SizeOf(i.Key, i.Value.Value));

    private static int SizeOf(string name, ReadOnlyMemory<byte> value) => Encoding.UTF8.GetByteCount(name) + value.Length + 14;

    private FleetOrder OrderOf(string name, Register register) =>
        new(name, register.Value, register.Stamp, _unconfirmed.ContainsKey(name));

    private void Put(Registers registers)
    {
        _all = registers;
        _bytes = SizeOf(registers);
        foreach (string gone in _reported.Keys.Where(name => !registers.Items.ContainsKey(name)).ToArray()) _reported.Remove(gone);
    }

    private string? Problem(string name, ReadOnlyMemory<byte> value, Register old)
    {
        if (Encoding.UTF8.GetByteCount(name) is > LongestName or 0) return $"the order's name must have 1 to {LongestName} bytes";
        if (value.Length > LongestValue) return $"the order {name} has {value.Length} bytes; at most {LongestValue} are allowed";
        if (value.IsEmpty) return null;
        int added = SizeOf(name, value) - (old.Value.IsEmpty ? 0 : SizeOf(name, old.Value));
        return added > 0 && _bytes + added > MostBytes
            ? $"the fleet keeps at most {MostBytes / 1024} KiB of orders (bans, rebalances, backends added at run time), and that limit is reached: remove some first"
            : null;
    }

    private void ReportUnreadable(FleetOrder order)
    {
        lock (_gate)
        {
            if (_reported.GetValueOrDefault(order.Name) == order.Stamp) return;
            _reported[order.Name] = order.Stamp;
        }
        Log.Unreadable(_logger, order.Name, order.Value.Length);
    }

    private static partial class Log
    {
        [LoggerMessage(3403, LogLevel.Warning, "the order {Name} of the fleet ({Bytes} bytes) cannot be read by this release; this node ignores it")]
        public static partial void Unreadable(ILogger logger, string name, int bytes);

        [LoggerMessage(3404, LogLevel.Error, "{Problem}")]
        public static partial void Damaged(ILogger logger, string problem);
    }
}
