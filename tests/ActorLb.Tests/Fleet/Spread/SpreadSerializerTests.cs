using System.Runtime.Serialization;
using ActorLb.Fleet.Spread;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class SpreadSerializerTests
{
    // The serializer doesn't use its system.
    private readonly SpreadSerializer _serializer = new(null!);

    private static readonly Registers Some = Registers.Empty
        .With("b", new Register(2, new byte[] { 7, 8 })).With("a", new Register(1, Array.Empty<byte>()));

    private static readonly CountsMessage Counts = new(-5, 9, [new BackendReport(0x00010002, 3, true), new BackendReport(7, 0, false)]);

    /// <summary>Frozen: numbers and layouts shared by nodes of two releases.</summary>
    [Fact]
    public void ToBinary_OfEachMessage_IsPinned()
    {
        Assert.Equal(7947, _serializer.Identifier);
        Assert.Equal(("1", "2"), (_serializer.Manifest(new ReplicatedRegisters(Some)), _serializer.Manifest(Counts)));
        Assert.Equal(
            "020000000100610100000000000000000000000100620200000000000000020000000708", Convert.ToHexString(_serializer.ToBinary(new ReplicatedRegisters(Some))));
        Assert.Equal(
            "FBFFFFFFFFFFFFFF090000000200000002000100030000000107000000" + "0000000000", Convert.ToHexString(_serializer.ToBinary(Counts)));
    }

    [Fact]
    public void FromBinary_OfWhatWasWritten_IsTheSame()
    {
        Assert.Equal(new ReplicatedRegisters(Some), _serializer.FromBinary(_serializer.ToBinary(new ReplicatedRegisters(Some)), "1"));
        var counts = (CountsMessage)_serializer.FromBinary(_serializer.ToBinary(Counts), "2");
        Assert.Equal((Counts.Incarnation, Counts.Number), (counts.Incarnation, counts.Number));
        Assert.Equal(Counts.Reports, counts.Reports);
    }

    /// <summary>An earlier release can read the fields it knows, and its messages can be read.</summary>
    [Fact]
    public void Counts_WithClosedSessions_ArePinnedAndReadByBothReleases()
    {
        var closed = Counts with { Closed = [new ClosedReport(1, -2, 3)] };
        byte[] bytes = _serializer.ToBinary(closed);
        Assert.Equal(
            Convert.ToHexString(_serializer.ToBinary(Counts)) + "01000000" + "0100000000000000" + "FEFFFFFFFFFFFFFF" + "03000000", Convert.ToHexString(bytes));
        Assert.Equal(closed.Closed, ((CountsMessage)_serializer.FromBinary(bytes, "2")).Closed);
        Assert.Empty(((CountsMessage)_serializer.FromBinary(_serializer.ToBinary(Counts), "2")).Closed);
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes[..^1], "2"));
        bytes[^21] = 0x7f;
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, "2"));
    }

    [Fact]
    public void FromBinary_OfEveryCutAndOfUnknownManifests_Throws()
    {
        foreach ((byte[] bytes, string manifest) in new[] { (_serializer.ToBinary(new ReplicatedRegisters(Some)), "1"), (_serializer.ToBinary(Counts), "2") })
        {
            for (int cut = 0; cut < bytes.Length; cut++)
            {
                Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes[..cut], manifest));
            }
        }
        Assert.Throws<SerializationException>(() => _serializer.FromBinary([], "3"));
        byte[] huge = _serializer.ToBinary(Counts);
        huge[15] = 0x7f;
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(huge, "2"));
    }

    [Fact]
    public void Merge_InEitherOrder_IsTheSame()
    {
        var other = Registers.Empty.With("a", new Register(3, new byte[] { 1 })).With("b", new Register(2, new byte[] { 7, 9 }));
        Assert.Equal(Some.Merge(other), other.Merge(Some));
        Assert.Equal(new byte[] { 7, 9 }, Some.Merge(other).Items["b"].Value.ToArray());
        Assert.Same(Some, Some.Merge(Registers.Empty));
    }
}
