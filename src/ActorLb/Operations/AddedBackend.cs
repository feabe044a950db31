using System.Collections.Immutable;
using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Fleet.Membership;
using ActorLb.Fleet.Spread;

namespace ActorLb.Operations;

/// <summary>A backend that an operator added to a configured pool, stored as an order of the fleet.</summary>
internal sealed record AddedBackend(string Pool, DnsEndPoint Address, int Weight, bool Backup)
{
    public const string Prefix = "added/";

    private const byte Version = 1;

    public string Id => Backend.IdOf(Address);

    public string OrderName => $"{Prefix}{Pool}/{Id}";

    /// <summary>Compares host names without regard to case, as everywhere else.</summary>
    public bool Is(string pool, string id) => Pool == pool && string.Equals(Id, id, StringComparison.OrdinalIgnoreCase);

    public BackendOptions ToOptions() => BackendReader.Defaults(Address) with { Weight = Weight, Backup = Backup, Added = true };

    /// <summary><c>version u8 | weight i32 | backup u8</c>.</summary>
    public byte[] Encode()
    {
        var writer = new WireWriter(6);
        writer.Byte(Version);
        writer.Int32(Weight);
        writer.Byte(Backup ? (byte)1 : (byte)0);
        return writer.ToArray();
    }

    /// <returns>Null if it is invalid. A longer order of a later release is read as far as known.</returns>
    public static AddedBackend? TryDecode(FleetOrder order)
    {
        if (!order.Name.StartsWith(Prefix, StringComparison.Ordinal) || BackendKey.TryParse(order.Name[Prefix.Length..]) is not { } key) return null;
        var reader = new WireReader(order.Value.Span);
        byte version = reader.Byte();
        int weight = reader.Int32();
        bool backup = reader.Byte() != 0;
        return reader.IsValid && version >= Version && weight is >= 1 and <= ushort.MaxValue && AddressText.TryHost(key.Id, out var address, out _)
            ? new AddedBackend(key.Pool, address, weight, backup) : null;
    }

    /// <summary>Adds the added backends to the pools. If the file names the same backend, the file's settings win.</summary>
    public static ActorLbOptions Apply(ActorLbOptions file, ImmutableArray<AddedBackend> added)
    {
        var pools = file.Pools;
        foreach (var backend in added)
        {
            if (!pools.TryGetValue(backend.Pool, out var pool) || Names(pool, backend.Id)) continue;
            pools = pools.SetItem(pool.Name, pool with { Backends = pool.Backends.Add(backend.ToOptions()) });
        }
        return ReferenceEquals(pools, file.Pools) ? file : file with { Pools = pools };
    }

    public static bool Names(PoolOptions pool, string id) => pool.Backends.Any(b => string.Equals(Backend.IdOf(b.Address), id, StringComparison.OrdinalIgnoreCase));
}
