using System.Collections.Immutable;
using System.Text;
using ActorLb.Protocol.Failures;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Spread;

/// <param name="Stamp">Of its last change: a <see cref="SpreadClock"/> reading.</param>
/// <param name="IsLocal">Changed on this node, and not kept by the fleet (by a node by itself: on its disk) yet.</param>
internal readonly record struct FleetOrder(string Name, ReadOnlyMemory<byte> Value, long Stamp, bool IsLocal);

/// <summary>How the change of an order went.</summary>
/// <param name="Refused">Nothing was changed: why, for people. Else null.</param>
/// <param name="Pending">It holds on this node, and the fleet (or the disk) does not have it yet: why, for people. Else null.</param>
internal readonly record struct OrderOutcome(string? Refused, string? Pending);

/// <summary>
/// Operators' orders by name, such as <c>ban/...</c>, that hold on every node and outlive restarts: the last writer wins. A change holds here at
/// once, whether or not there is a fleet to tell. A node by itself has the same and keeps them in its data folder. Any thread.
/// </summary>
internal sealed partial class FleetOrders
{
    /// <summary>Bytes of a name in UTF-8, and of a value.</summary>
    public const int LongestName = 512, LongestValue = 4096;

    /// <summary>Bytes of all together: every change takes all of them to the other nodes in one message, whose frame is bounded.</summary>
    public const int MostBytes = 128 * 1024;

    private readonly Lock _gate = new();
    private readonly SpreadClock _clock;
    private readonly ILogger _logger;
    private readonly Func<Task<string?>> _keep;

    // Changed here and not kept yet: the stamp of the change.
    private readonly Dictionary<string, long> _unconfirmed = new(StringComparer.Ordinal);

    // Of each unreadable order the stamp that was reported.
    private readonly Dictionary<string, long> _reported = new(StringComparer.Ordinal);
    private Registers _all;
    private int _bytes;

    /// <param name="known">What the last run knew.</param>
    /// <param name="keep">Brings all of them to where they are kept; null when that is done, else why not.</param>
    public FleetOrders(SpreadClock clock, Registers? known, Func<Task<string?>> keep, ILogger logger)
    {
        _clock = clock;
        _keep = keep;
        _logger = logger;
        _all = (known ?? Registers.Empty).WithoutOldTombstones();
        if (_all.Items.IsEmpty) return;
        foreach (Register register in _all.Items.Values) clock.Saw(register.Stamp);
        _bytes = SizeOf(_all);
    }

    /// <summary>Something changed, here or elsewhere. Any thread; must not block.</summary>
    public event Action? Changed;

    internal bool HasUnconfirmed
    {
        get
        {
            lock (_gate) return _unconfirmed.Count > 0;
        }
    }

    /// <summary>Of a node by itself: kept in a file of the folder, which is made with the first order.</summary>
    public static FleetOrders InFolder(string folder, TimeProvider time, ILogger logger)
    {
        string path = RegisterFile.PathOf(folder, SpreadState.OrdersKey);
        Registers? known = SpreadState.ReadOrSetAside(path, problem => Log.Damaged(logger, problem), "the orders in it are lost");
        FleetOrders? orders = null;
        var writing = new Lock();
        return orders = new FleetOrders(new SpreadClock(time), known, () => Task.Run(Keep), logger);

        string? Keep()
        {
            try
            {
                // What is written last is the newest, whoever comes first.
                lock (writing)
                {
                    Registers all = orders!.ToRegisters();
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

    /// <returns>Null when there is no such order, or it was taken back.</returns>
    public FleetOrder? Get(string name)
    {
        lock (_gate) return _all.Items.TryGetValue(name, out Register register) && register.Value.Length > 0 ? OrderOf(name, register) : null;
    }

    /// <summary>The orders whose names begin so, in ordinal order.</summary>
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

    /// <summary>As <see cref="All"/>, decoded. One that cannot be read, of a later release or damaged, is left out and logged once.</summary>
    /// <param name="decode">Gets the name and the value; null for one that it cannot read.</param>
    public ImmutableArray<T> Read<T>(string prefix, Func<FleetOrder, T?> decode)
        where T : class
    {
        var read = ImmutableArray.CreateBuilder<T>();
        foreach (FleetOrder order in All(prefix))
        {
            if (decode(order) is { } known) read.Add(known);
            else ReportUnreadable(order);
        }
        return read.ToImmutable();
    }

    /// <summary>Gives an order, or takes it back with an empty value. It holds here when this returns its task; that ends within some seconds.</summary>
    public Task<OrderOutcome> SetAsync(string name, ReadOnlyMemory<byte> value) => ChangeAsync(name, (_, _) => value);

    /// <summary>As <see cref="SetAsync"/>, from what the order is now.</summary>
    /// <param name="change">Gets the value (empty for none) and the stamp of the change; returns the value from now on. Runs under a lock.</param>
    public async Task<OrderOutcome> ChangeAsync(string name, Func<ReadOnlyMemory<byte>, long, ReadOnlyMemory<byte>> change)
    {
        lock (_gate)
        {
            Register old = _all.Items.GetValueOrDefault(name);
            long stamp = _clock.Next();
            ReadOnlyMemory<byte> value = change(old.Value, stamp);
            if (value.Span.SequenceEqual(old.Value.Span) && !_unconfirmed.ContainsKey(name)) return default;
            if (value.Length > 0 && Problem(name, value, old) is { } problem) return new OrderOutcome(problem, null);
            Put(_all.With(name, new Register(stamp, value)).WithoutOldTombstones());
            _unconfirmed[name] = stamp;
        }
        Changed?.Invoke();
        return new OrderOutcome(null, await _keep().ConfigureAwait(false));
    }

    /// <summary>What the fleet's other nodes know.</summary>
    internal void Merge(Registers registers)
    {
        lock (_gate)
        {
            foreach (Register register in registers.Items.Values) _clock.Saw(register.Stamp);
            Registers merged = _all.Merge(registers);
            if (ReferenceEquals(merged, _all)) return;
            foreach ((string name, long stamp) in _unconfirmed.ToArray())
            {
                if (merged.Items.TryGetValue(name, out Register register) && register.Stamp > stamp) _unconfirmed.Remove(name);
            }
            Put(merged);
        }
        Changed?.Invoke();
    }

    internal Registers ToRegisters()
    {
        lock (_gate) return _all;
    }

    /// <summary>Everything up to what was written is kept.</summary>
    internal void Confirm(Registers written)
    {
        lock (_gate)
        {
            foreach ((string name, long stamp) in _unconfirmed.ToArray())
            {
                if (!written.Items.TryGetValue(name, out Register register) || register.Stamp >= stamp) _unconfirmed.Remove(name);
            }
        }
    }

    /// <summary>What was taken back is bounded by itself, and takes no room from others.</summary>
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
        if (value.Length > LongestValue) return $"the order {name} has {value.Length} bytes; at most {LongestValue} are kept";
        if (value.IsEmpty) return null;
        int added = SizeOf(name, value) - (old.Value.IsEmpty ? 0 : SizeOf(name, old.Value));
        return added > 0 && _bytes + added > MostBytes
            ? $"the fleet keeps at most {MostBytes / 1024} KiB of orders (bans, rebalances, backends added at run time), and they are full: take some back"
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
