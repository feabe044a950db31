using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using ActorLb.Native;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Limits;

/// <summary>What a ban names. The numbers cross nodes and restarts: append only.</summary>
internal enum BanKind { ClientId = 0, UserName = 1, Address = 2 }

/// <param name="Subject">Client id, user name, or a network such as 10.0.0.0/8.</param>
/// <param name="Expires">Null is never.</param>
/// <param name="By">Who added it, and on which node.</param>
internal sealed record Ban(BanKind Kind, string Subject, DateTimeOffset Added, DateTimeOffset? Expires, string By, string Reason)
{
    public bool IsOver(DateTimeOffset now) => Expires <= now;
}

/// <summary>The bans in force, as the reactors see them: immutable, swapped as a whole. To look one up allocates nothing and reads the clock only
/// for who is named in it. An expired one is not in force, even on a node that still has it.</summary>
internal sealed class BanList
{
    public static readonly BanList Empty = new([], TimeProvider.System);

    // Of this process alone: established sessions keep the hash of their user name, to be found by a later ban.
    private static readonly SipHash Hash = SipHash.FromKey(RandomNumberGenerator.GetBytes(16));

    private readonly TimeProvider _time;
    private readonly Dictionary<byte[], long> _clientIds = new(Utf8Comparer.Instance);
    private readonly Dictionary<byte[], long> _userNames = new(Utf8Comparer.Instance);
    private readonly Dictionary<ulong, long> _userHashes = [];

    // By family and length of the prefix, longest first.
    private readonly Networks[] _networks;

    public BanList(ImmutableArray<Ban> bans, TimeProvider time)
    {
        Bans = bans;
        _time = time;
        var networks = new Dictionary<(bool IsIPv4, int Length), Networks>();
        foreach (var ban in bans)
        {
            long until = ban.Expires?.UtcTicks ?? long.MaxValue;
            byte[] subject = System.Text.Encoding.UTF8.GetBytes(ban.Subject);
            switch (ban.Kind)
            {
                case BanKind.ClientId:
                    _clientIds[subject] = until;
                    break;
                case BanKind.UserName:
                    _userNames[subject] = until;
                    _userHashes[HashOf(subject)] = until;
                    break;
                case BanKind.Address when IPNetwork.TryParse(ban.Subject, out var network):
                    bool isIPv4 = network.BaseAddress.AddressFamily == AddressFamily.InterNetwork;
                    int length = network.PrefixLength + (isIPv4 ? 96 : 0);
                    if (!networks.TryGetValue((isIPv4, length), out var same)) networks.Add((isIPv4, length), same = new Networks(isIPv4, MaskOf(length)));
                    same.Until[NetEndPoint.From(network.BaseAddress, 0).AddressBits] = until;
                    break;
            }
        }
        _networks = [.. networks.OrderByDescending(n => n.Key.Length).Select(n => n.Value)];
    }

    private sealed record Networks(bool IsIPv4, UInt128 Mask)
    {
        public Dictionary<UInt128, long> Until { get; } = [];
    }

    public ImmutableArray<Ban> Bans { get; }

    public bool HasNames => _clientIds.Count + _userNames.Count > 0;

    public bool HasAddresses => _networks.Length > 0;

    /// <summary>Never 0, which stands for none.</summary>
    public static ulong HashOf(ReadOnlySpan<byte> userName) => Hash.Hash(userName) | 1;

    public bool HasClientId(ReadOnlySpan<byte> clientId) =>
        _clientIds.Count > 0 && _clientIds.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(clientId, out long until) && Holds(until);

    public bool HasUserName(ReadOnlySpan<byte> userName) =>
        _userNames.Count > 0 && _userNames.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(userName, out long until) && Holds(until);

    public bool HasAddress(in NetEndPoint client)
    {
        foreach (var networks in _networks)
        {
            if (networks.IsIPv4 == client.IsIPv4 && networks.Until.TryGetValue(client.AddressBits & networks.Mask, out long until) && Holds(until)) return true;
        }
        return false;
    }

    /// <summary>Whether a session, at whatever step, is one of a banned client's. On its reactor.</summary>
    public bool Names(Session session) =>
        (HasAddresses && HasAddress(session.Remote))
        || (session.ClientId is { } id && HasClientId(id))
        || (session.UserHash != 0 && _userHashes.TryGetValue(session.UserHash, out long until) && Holds(until));

    private bool Holds(long until) => until == long.MaxValue || _time.GetUtcNow().UtcTicks < until;

    private static UInt128 MaskOf(int length) => length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);

    private sealed class Utf8Comparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly Utf8Comparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        // Clients choose what is looked up: under a key, so that they cannot choose it to collide.
        public int GetHashCode(ReadOnlySpan<byte> alternate) => (int)Hash.Hash(alternate);
    }
}
