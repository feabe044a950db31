using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Proxying.Dialing;

/// <summary>
/// The local addresses from which a pool's backends are dialled, NGINX's <c>split_clients</c> with <c>proxy_bind</c>: the client's
/// address and port choose, by shares. A (source, destination) pair holds at most as many connections as there are ephemeral
/// ports; counted here, so that a warning comes before and a full source is passed over.
/// </summary>
internal sealed class SourceAddresses
{
    private readonly NetEndPoint[] _addresses;

    // Upper end of each address's part of 0 to 2^32, ascending.
    private readonly ulong[] _bounds;

    // Connections by source, then by destination; written by all reactors.
    private readonly System.Collections.Concurrent.ConcurrentDictionary<NetEndPoint, int[]> _held = new();

    private SourceAddresses(NetEndPoint[] addresses, ulong[] bounds, int portsPerPair)
    {
        _addresses = addresses;
        _bounds = bounds;
        PortsPerPair = portsPerPair;
    }

    /// <summary>Ephemeral ports of this machine: the most connections from one source to one destination.</summary>
    public int PortsPerPair { get; }

    public int Count => _addresses.Length;

    /// <returns>Null when none are configured: the kernel chooses.</returns>
    public static SourceAddresses? Create(ImmutableArray<SourceAddressOptions> options, int portsPerPair)
    {
        if (options.IsEmpty) return null;
        double given = options.Sum(o => o.Share ?? 0);
        int without = options.Count(o => o.Share is null);
        double rest = without == 0 ? 0 : Math.Max(0, 100 - given) / without;
        double total = without == 0 ? given : Math.Max(given, 100);
        var addresses = new NetEndPoint[options.Length];
        ulong[] bounds = new ulong[options.Length];
        double sum = 0;
        for (int i = 0; i < options.Length; i++)
        {
            addresses[i] = NetEndPoint.From(options[i].Address, 0);
            sum += options[i].Share ?? rest;
            bounds[i] = i == options.Length - 1 ? 1UL << 32 : (ulong)(sum / total * (1UL << 32));
        }
        return new SourceAddresses(addresses, bounds, portsPerPair);
    }

    /// <summary>Ephemeral ports of this machine (ip(7), ip_local_port_range); the kernel's default where it cannot be read.</summary>
    public static int ReadEphemeralPorts()
    {
        try
        {
            string[] range = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split('\t', ' ', '\n');
            return int.Parse(range[1]) - int.Parse(range[0]) + 1;
        }
        catch (Exception e) when (e is IOException or FormatException or IndexOutOfRangeException or UnauthorizedAccessException)
        {
            return 60999 - 32768 + 1;
        }
    }

    public NetEndPoint this[int index] => _addresses[index];

    /// <summary>The source for a client by its shares, passing over those of another address family.</summary>
    /// <returns>-1 when none has the destination's family.</returns>
    public int Choose(in NetEndPoint client, in NetEndPoint destination)
    {
        ulong point = Mix((ulong)client.AddressBits ^ (ulong)(client.AddressBits >> 64) ^ ((ulong)client.Port << 48)) >> 32;
        int chosen = 0;
        while (point >= _bounds[chosen]) chosen++;
        return Fitting(chosen, destination);
    }

    /// <summary>The one after <paramref name="index"/>; wraps around.</summary>
    public int Next(int index, in NetEndPoint destination) => Fitting((index + 1) % _addresses.Length, destination);

    /// <summary>Counts a connection; the number held by the pair now.</summary>
    public int Enter(int index, in NetEndPoint destination) => Interlocked.Increment(ref HeldOf(destination)[index]);

    public void Leave(int index, in NetEndPoint destination) => Interlocked.Decrement(ref HeldOf(destination)[index]);

    /// <summary>Whether the pair nears exhaustion: nine tenths of the ports.</summary>
    public bool IsNearlyFull(int held) => held > PortsPerPair - (PortsPerPair / 10);

    public IEnumerable<(NetEndPoint Source, NetEndPoint Destination, int Held)> Held() =>
        from pair in _held
        from i in Enumerable.Range(0, _addresses.Length)
        select (_addresses[i], pair.Key, Volatile.Read(ref pair.Value[i]));

    private int Fitting(int from, in NetEndPoint destination)
    {
        for (int i = 0; i < _addresses.Length; i++)
        {
            int index = (from + i) % _addresses.Length;
            if (_addresses[index].IsIPv4 == destination.IsIPv4) return index;
        }
        return -1;
    }

    private int[] HeldOf(in NetEndPoint destination) => _held.GetOrAdd(destination, static (_, count) => new int[count], _addresses.Length);

    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }
}
