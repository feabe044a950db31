using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Fleet.Spread;
using ActorLb.Proxying.Limits;

namespace ActorLb.Operations;

/// <summary>
/// Bans, stored as orders of the fleet named <c>ban/KIND/SUBJECT</c>. The format is versioned, because nodes of the next release
/// read it.
/// </summary>
internal sealed class BanOrders(Func<FleetOrders> orders, TimeProvider time)
{
    public const string Prefix = "ban/";

    /// <summary>The most bytes of a client id or user name, limited because it is part of the order's name.</summary>
    public const int LongestSubject = 480;

    public const int LongestReason = 200;

    private const int LongestBy = 200;

    /// <summary>The most bytes of all bans, so that room is left for other orders.</summary>
    private const int MostBytes = FleetOrders.MostBytes * 3 / 4;

    private const byte Version = 1;

    private static readonly string[] Kinds = ["client-id", "username", "address"];

    public static string WordOf(BanKind kind) => Kinds[(int)kind];

    /// <summary>Parses a network and returns its canonical form; a single address is a network of its own.</summary>
    /// <returns>Null with a problem.</returns>
    public static string? Network(string text, out string problem)
    {
        problem = $"'{text}' is not an address or network, such as 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        string host = slash < 0 ? text : text[..slash];
        if (!IPAddress.TryParse(host, out var address) || host.AsSpan().ContainsAny("%[]")) return null;
        // The parser also accepts forms such as "10", "010.0.0.1" and "0x7f.1", whose meaning is ambiguous.
        if (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != host) return null;
        int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128, length = bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), System.Globalization.NumberStyles.None, null, out length) || length > bits)) return null;
        if (address.IsIPv4MappedToIPv6)
        {
            const int Mapping = 96; // RFC 4291, section 2.5.5.2
            if (length < Mapping) return null;
            (address, bits, length) = (address.MapToIPv4(), 32, length - Mapping);
        }
        byte[] bytes = address.GetAddressBytes();
        for (int i = length; i < bits; i++) bytes[i / 8] &= (byte)~(0x80 >> (i % 8));
        var network = new IPAddress(bytes);
        if (network.Equals(new IPAddress(address.GetAddressBytes()))) return $"{network}/{length}";
        problem = $"'{text}' has bits set after its prefix: did you mean {network}/{length}, or the address alone?";
        return null;
    }

    /// <summary>The bans in force.</summary>
    public ImmutableArray<Ban> All() => [.. Read().Where(b => !b.IsOver(time.GetUtcNow()))];

    /// <summary>Whether the fleet has not stored the ban yet.</summary>
    public bool IsLocal(Ban ban) => orders().Get(NameOf(ban.Kind, ban.Subject)) is { IsLocal: true };

    /// <summary>
    /// Adds a ban, or replaces the one for the same subject. It applies on this node when this method returns its task.
    /// </summary>
    /// <returns>The outcome; see <see cref="OrderOutcome"/>.</returns>
    public async Task<OrderOutcome> AddAsync(Ban ban)
    {
        // Remove expired bans to make room, without waiting.
        foreach (var over in Read().Where(b => b.IsOver(time.GetUtcNow()))) _ = orders().SetAsync(NameOf(over.Kind, over.Subject), default);
        string name = NameOf(ban.Kind, ban.Subject);
        byte[] value = Write(ban);
        int bytes = orders().All(Prefix).Where(o => o.Name != name).Append(new FleetOrder(name, value, 0, false)).Sum(o => Encoding.UTF8.GetByteCount(o.Name) + o.Value.Length);
        if (bytes > MostBytes) return new OrderOutcome($"the limit for bans ({MostBytes / 1024} KiB) is reached: remove some, or ban a network instead of its addresses", null);
        return await orders().SetAsync(name, value).ConfigureAwait(false);
    }

    /// <returns>Null if there is no such ban.</returns>
    public async Task<OrderOutcome?> RemoveAsync(BanKind kind, string subject)
    {
        string name = NameOf(kind, subject);
        if (orders().Get(name) is not { } known || Read(known) is { } ban && ban.IsOver(time.GetUtcNow())) return null;
        return await orders().SetAsync(name, default).ConfigureAwait(false);
    }

    private ImmutableArray<Ban> Read() => orders().Read(Prefix, Read);

    internal static string NameOf(BanKind kind, string subject) => $"{Prefix}{WordOf(kind)}/{subject}";

    internal static byte[] Write(Ban ban)
    {
        byte[] by = Encoding.UTF8.GetBytes(Shortened(ban.By, LongestBy)), reason = Encoding.UTF8.GetBytes(Shortened(ban.Reason, LongestReason));
        byte[] value = new byte[1 + 8 + 8 + 2 + by.Length + reason.Length];
        value[0] = Version;
        BinaryPrimitives.WriteInt64BigEndian(value.AsSpan(1), ban.Added.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteInt64BigEndian(value.AsSpan(9), ban.Expires?.ToUnixTimeMilliseconds() ?? 0);
        BinaryPrimitives.WriteUInt16BigEndian(value.AsSpan(17), (ushort)by.Length);
        by.CopyTo(value, 19);
        reason.CopyTo(value, 19 + by.Length);
        return value;
    }

    /// <returns>Null if this release can't read it.</returns>
    internal static Ban? Read(FleetOrder order)
    {
        var value = order.Value.Span;
        int slash = order.Name.IndexOf('/', Prefix.Length);
        if (slash < 0 || value.Length < 19 || value[0] != Version) return null;
        int kind = Array.IndexOf(Kinds, order.Name[Prefix.Length..slash]);
        int by = BinaryPrimitives.ReadUInt16BigEndian(value[17..]);
        long added = BinaryPrimitives.ReadInt64BigEndian(value[1..]), expires = BinaryPrimitives.ReadInt64BigEndian(value[9..]);
        if (kind < 0 || 19 + by > value.Length || !IsTime(added) || !IsTime(expires)) return null;
        string subject = order.Name[(slash + 1)..];
        if (kind == (int)BanKind.Address && !IPNetwork.TryParse(subject, out _)) return null;
        return new Ban(
            (BanKind)kind, subject, DateTimeOffset.FromUnixTimeMilliseconds(added), expires == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(expires),
            Encoding.UTF8.GetString(value.Slice(19, by)), Encoding.UTF8.GetString(value[(19 + by)..]));
    }

    private static bool IsTime(long unixMilliseconds) => unixMilliseconds >= 0 && unixMilliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private static string Shortened(string text, int most) => text.Length <= most ? text : text[..most];
}
