using System.Buffers.Binary;
using ActorLb.Balancing;

namespace ActorLb.Fleet.Spread;

/// <summary>The numbers are stored and sent to other nodes: append only.</summary>
internal enum RebalanceState : byte
{
    Running = 1,
    Paused = 2,

    /// <summary>The pool is balanced, or no session is left that may move.</summary>
    Done = 3,
}

/// <summary>An operator's order to rebalance a pool's sessions.</summary>
/// <param name="Rate">Sessions per second, in the whole fleet.</param>
/// <param name="Ordered">Time of the order in milliseconds since 1970; unchanged by pauses and changes of the rate.</param>
/// <param name="Closed">Once done: the number of sessions closed.</param>
/// <param name="Left">Once done: sessions that should have moved but may not.</param>
internal sealed record RebalanceOrder(string Pool, double Rate, RebalanceState State, long Ordered, int Closed = 0, int Left = 0)
{
    public const string Prefix = "rebalance/";

    private const byte Version = 1;
    private const int Length = 1 + 1 + 4 + 8 + 4 + 4;
    private const double RateUnits = 1000;

    public string Name => Prefix + Pool;

    /// <summary>The id in <see cref="ClosingCounts"/>.</summary>
    public long Id => ClosingCounts.IdOf(Name, Ordered);

    /// <summary><c>version u8 | state u8 | rate u32 in thousandths a second | ordered i64 | closed i32 | left i32</c>.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Length];
        bytes[0] = Version;
        bytes[1] = (byte)State;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(2), (uint)Math.Round(Rate * RateUnits));
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(6), Ordered);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(14), Closed);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(18), Left);
        return bytes;
    }

    /// <returns>Null if it is invalid. A longer order of a later release is read as far as known.</returns>
    public static RebalanceOrder? TryDecode(FleetOrder order)
    {
        var bytes = order.Value.Span;
        if (!order.Name.StartsWith(Prefix, StringComparison.Ordinal) || bytes.Length < Length || bytes[0] == 0) return null;
        double rate = BinaryPrimitives.ReadUInt32LittleEndian(bytes[2..]) / RateUnits;
        if (bytes[1] is < (byte)RebalanceState.Running or > (byte)RebalanceState.Done || rate is < PaceRate.Least or > PaceRate.Most) return null;
        return new RebalanceOrder(
            order.Name[Prefix.Length..], rate, (RebalanceState)bytes[1], BinaryPrimitives.ReadInt64LittleEndian(bytes[6..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[14..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[18..]));
    }
}
