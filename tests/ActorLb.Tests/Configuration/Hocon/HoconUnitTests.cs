using ActorLb.Configuration.Hocon;

namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>"Duration format" and "Size in bytes format".</summary>
public sealed class HoconUnitTests
{
    [Theory]
    [InlineData("10", 10_000_0)]
    [InlineData("10 ms", 10_000_0)]
    [InlineData(" 10ms ", 10_000_0)]
    [InlineData("1 s", 10_000_000)]
    [InlineData("1.5 seconds", 15_000_000)]
    [InlineData("2m", 1_200_000_000)]
    [InlineData("1 hour", 36_000_000_000)]
    [InlineData("1d", 864_000_000_000)]
    [InlineData("100 nanos", 1)]
    [InlineData("7us", 70)]
    [InlineData("0", 0)]
    [InlineData("-1s", -10_000_000)]
    [InlineData("1e6", 10_000_000_000)]
    [InlineData("1e1s", 100_000_000)]
    [InlineData("15E-1 s", 15_000_000)]
    [InlineData("0.01666666666666666666666m", 10_000_000)]
    [InlineData("151ns", 2)]
    public void Duration_WithUnit_IsItsTicks(string text, long ticks)
    {
        Assert.True(HoconUnits.TryDuration(text, out var duration, out _));
        Assert.Equal(ticks, duration.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("10 S")]
    [InlineData("10 ms ms")]
    [InlineData("1es")]
    [InlineData("1e99s")]
    [InlineData("0x10s")]
    [InlineData("1,5s")]
    [InlineData("99999999999999999999d")]
    [InlineData("99999999999999999999999999999999999999s")]
    [InlineData("+1s")]
    [InlineData("1 year")]
    public void Duration_OfNoUnitOrNumber_IsRefused(string text) => Assert.False(HoconUnits.TryDuration(text, out _, out _));

    [Theory]
    [InlineData("512", 512)]
    [InlineData("512B", 512)]
    [InlineData("1e3", 1000)]
    [InlineData("1e1KiB", 10240)]
    [InlineData("1 byte", 1)]
    [InlineData("1kB", 1000)]
    [InlineData("1 kilobyte", 1000)]
    [InlineData("1K", 1024)]
    [InlineData("1k", 1024)]
    [InlineData("1Ki", 1024)]
    [InlineData("64KiB", 65536)]
    [InlineData("2 kibibytes", 2048)]
    [InlineData("10m", 10 << 20)]
    [InlineData("10M", 10 << 20)]
    [InlineData("1MB", 1_000_000)]
    [InlineData("1.5GiB", 1_610_612_736)]
    [InlineData("1T", 1L << 40)]
    [InlineData("2PB", 2_000_000_000_000_000)]
    [InlineData("7E", 7L << 60)]
    [InlineData("0YiB", 0)]
    public void Size_WithUnit_IsItsBytes(string text, long bytes)
    {
        Assert.True(HoconUnits.TrySize(text, out long size));
        Assert.Equal(bytes, size);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KB")]
    [InlineData("1KB")]
    [InlineData("1 kib")]
    [InlineData("8E")]
    [InlineData("1ZB")]
    [InlineData("1YiB")]
    [InlineData("ten")]
    public void Size_OfNoUnitOrTooLarge_IsRefused(string text) => Assert.False(HoconUnits.TrySize(text, out _));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(123_456_789)]
    [InlineData(900_000_000)]
    [InlineData(864_000_000_000)]
    public void Duration_Formatted_ReadsBack(long ticks)
    {
        string text = HoconUnits.FormatDuration(TimeSpan.FromTicks(ticks));

        Assert.True(HoconUnits.TryDuration(text, out var duration, out _));
        Assert.Equal(ticks, duration.Ticks);
    }

    [Theory]
    [InlineData(0, "0B")]
    [InlineData(1000, "1000B")]
    [InlineData(65536, "64KiB")]
    [InlineData(3 << 20, "3MiB")]
    [InlineData(1L << 40, "1024GiB")]
    public void Size_Formatted_ReadsBack(long bytes, string expected)
    {
        Assert.Equal(expected, HoconUnits.FormatSize(bytes));
        Assert.True(HoconUnits.TrySize(expected, out long size));
        Assert.Equal(bytes, size);
    }
}
