namespace ActorLb.Protocol.Tests;

internal static class Expect
{
    /// <summary>Equal bytes, shown in hexadecimal when they are not.</summary>
    public static void Bytes(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual) =>
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(actual));
}
