using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

public sealed class SipHashTests
{
    private static readonly byte[] Key = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];

    /// <summary>vectors_sip64 of the reference implementation: key 00..0f, input 00, 00 01, 00 01 02, ...</summary>
    [Theory]
    [InlineData(0, 0x726fdb47dd0e0e31UL)]
    [InlineData(1, 0x74f839c593dc67fdUL)]
    [InlineData(2, 0x0d6c8009d9a94f5aUL)]
    [InlineData(3, 0x85676696d7fb7e2dUL)]
    [InlineData(7, 0xab0200f58b01d137UL)]
    [InlineData(8, 0x93f5f5799a932462UL)]
    [InlineData(15, 0xa129ca6149be45e5UL)]
    [InlineData(63, 0x958a324ceb064572UL)]
    public void Hash_ReferenceInput_IsReferenceOutput(int length, ulong expected)
    {
        byte[] input = Enumerable.Range(0, length).Select(i => (byte)i).ToArray();

        Assert.Equal(expected, SipHash.FromKey(Key).Hash(input));
    }

    [Fact]
    public void StickyHash_IsPinned()
    {
        var hash = new StickyHash(Key);

        Assert.Equal(SipHash.FromKey(Key).Hash("lb"u8), hash.Of([], "lb"u8));
        Assert.Equal(0UL, hash.Of([], "c1"u8) ^ hash.Of("emqx"u8, "c1"u8) ^ SipHash.FromKey(Key).Inverted().Hash("emqx"u8));
        Assert.NotEqual(hash.Of("a"u8, "c1"u8), hash.Of("b"u8, "c1"u8));
    }

    [Fact]
    public void FromKey_WrongLength_Throws() => Assert.Throws<ArgumentException>(() => SipHash.FromKey(new byte[15]));
}
