using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;

namespace ActorLb.Balancing;

/// <summary>
/// A broker of a pool. The object is kept across reloads as long as its address stays, so that counts, states and an operator's weight
/// survive a reload. Reactors read it without locks.
/// </summary>
public sealed class Backend : BackendStatus
{
    private readonly Action<Backend, PoolEventKind, string?> _changed;

    // Structs, so that picks and the counting of connections find them in this object itself.
    private BackendLoad _load;
    private EndPointRotation _endPoints;

    private volatile int _weight;
    private volatile int _limit;
    private volatile uint _reference;

    internal Backend(BackendOptions options, TimeProvider time, Action<Backend, PoolEventKind, string?> changed)
        : base(options, isResolved: IPAddress.TryParse(options.Address.Host, out var literal), time)
    {
        _changed = changed;
        _weight = options.Weight;
        _limit = options.MaxConnections;
        Id = IdOf(options.Address);
        Seed = KeyHash.Of(System.Text.Encoding.UTF8.GetBytes(Id));
        Address = options.Address;
        _endPoints = new EndPointRotation(literal is null ? [] : [new IPEndPoint(literal, options.Address.Port)]);
    }

    /// <summary>"host:port" as configured, an IPv6 literal in brackets: the identity within the pool and in the whole fleet.</summary>
    public string Id { get; }

    public DnsEndPoint Address { get; }

    /// <summary>How many new sessions it gets per second, and the clients waiting for one.</summary>
    public ConnectPace Pace { get; } = new();

    public bool Backup => Options.Backup;

    /// <summary>1 to 65,535; the operator may change it.</summary>
    public int Weight => _weight;

    /// <summary>First resolved address; null until the host name is resolved.</summary>
    public IPEndPoint? EndPoint => _endPoints.All is [var first, ..] ? first : null;

    public ReadOnlySpan<IPEndPoint> EndPoints => _endPoints.All;

    /// <summary>This node's connections to it.</summary>
    public int Active => _load.Active;

    /// <summary>Connections that the fleet's other nodes report.</summary>
    public int RemoteActive => _load.RemoteActive;

    /// <summary>Connections of the whole fleet, as far as this node knows.</summary>
    public int Load => _load.Total;

    /// <summary>What a pick compares; see <see cref="BackendLoad.Expected"/>.</summary>
    public long ExpectedLoad => _load.Expected;

    /// <summary>Connections begun since the start.</summary>
    public long Connects => _load.Connects;

    /// <summary>Slot (upper 16 bits) and generation in the sticky map; 0 until the map sets it.</summary>
    public uint Reference
    {
        get => _reference;
        set => _reference = value;
    }

    /// <summary>The backend's place in its pool's rotation; see <see cref="Policies.Rotation"/>.</summary>
    internal long Pass;

    /// <summary>Hash of <see cref="Id"/>, for rendezvous.</summary>
    internal ulong Seed { get; }

    /// <summary>The endpoint to dial next: round robin over the addresses of its name. Null until resolved.</summary>
    public IPEndPoint? NextEndPoint() => _endPoints.Next();

    /// <summary>Whether it may get a client at <paramref name="now"/>; while draining it only gets clients that are mapped to it.</summary>
    public bool IsEligible(long now, bool newClient)
    {
        if (!IsAvailable(now, newClient))
        {
            return false;
        }

        int limit = _limit;
        return limit == 0 || _load.Active < limit;
    }

    /// <summary>Counts a connection, unless max-connections is reached. Pair with <see cref="Release"/>.</summary>
    public bool TryAcquire() => _load.TryAcquire(_limit);

    public void Release() => _load.Release();

    /// <summary>Counts a client whose placement another node still has to confirm. Pair with <see cref="Withdraw"/>.</summary>
    public void Propose() => _load.Propose();

    public void Withdraw() => _load.Withdraw();

    /// <inheritdoc cref="Eligibility.Weight"/>
    internal long EffectiveWeight(long now) => SlowStarted(_weight, now);

    /// <param name="weight">1 to 65,535; throws otherwise.</param>
    public void SetWeight(int weight)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weight, ushort.MaxValue);
        if (Interlocked.Exchange(ref _weight, weight) != weight)
        {
            _changed(this, PoolEventKind.WeightChanged, weight.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    /// <summary>The connections of the fleet's other nodes, just reported by one of them.</summary>
    /// <param name="connections">Their sum.</param>
    /// <param name="others">Nodes that place clients besides this one.</param>
    public void SetRemoteActive(int connections, int others) => _load.SetRemote(connections, others);

    /// <summary>New addresses of the host name; with none it is unresolved.</summary>
    internal void SetEndPoints(IPEndPoint[] endPoints)
    {
        _endPoints.Set(endPoints);
        SetUnresolved(endPoints.Length == 0);
    }

    /// <summary>Applies a reload. An operator's change stays unless the file has changed the same setting.</summary>
    internal void Update(BackendOptions options)
    {
        var old = Options;
        Options = options;
        _limit = options.MaxConnections;
        if (old.Weight != options.Weight)
        {
            SetWeight(options.Weight);
        }

        if (old.Down != options.Down)
        {
            SetAdminState(options.Down ? AdminState.Down : AdminState.Up);
        }
    }

    internal static string IdOf(DnsEndPoint address) => address.Host.Contains(':') && !address.Host.StartsWith('[')
        ? $"[{address.Host}]:{address.Port}"
        : $"{address.Host}:{address.Port}";

    public override string ToString() => Id;

    private protected override void Raise(PoolEventKind kind, string? detail) => _changed(this, kind, detail);
}
