using System.Text;
using ActorLb.Discovery.Emqx;
using ActorLb.Testing;

namespace ActorLb.Tests.Discovery.Emqx;

public sealed class EmqxKeyTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("key:secret")]
    [InlineData("# of the dashboard\n\n  key:secret\r\n\n")]
    [InlineData("key:secret:viewer\n")]
    [InlineData("\ufeffkey:secret\n")]
    public void Key_OfALine_IsBasic(string text) =>
        Assert.Equal($"Basic {Convert.ToBase64String(Encoding.ASCII.GetBytes("key:secret"))}", EmqxKey.Read(_folder.Write("k", text)).ToString());

    [Theory]
    [InlineData("", "contains no key; a line KEY:SECRET is expected")]
    [InlineData("# nothing\n", "contains no key; a line KEY:SECRET is expected")]
    [InlineData("tops3cret", "line 1 is not KEY:SECRET")]
    [InlineData("\n:tops3cret", "line 2 is not KEY:SECRET")]
    [InlineData("key:", "line 1 is not KEY:SECRET")]
    [InlineData("key:top s3cret", "line 1 is not KEY:SECRET")]
    [InlineData("key:tops3cret:viewer:more", "line 1 is not KEY:SECRET")]
    [InlineData("k\u00e9y:tops3cret", "line 1 is not KEY:SECRET")]
    [InlineData("key\ntops3cret", "line 1 is not KEY:SECRET")]
    [InlineData("key:secret\nother:tops3cret", "line 2 is a second key; the file must contain one")]
    public void File_ThatHoldsNoKey_IsToldWithoutItsText(string text, string expected)
    {
        string file = _folder.Write("k", text);
        Assert.Equal($"key-file {file}: {expected}", Assert.Throws<IOException>(() => EmqxKey.Read(file)).Message);
    }

    [Fact]
    public void File_ThatCannotBeRead_IsTold()
    {
        Assert.Equal($"key-file {_folder["gone"]}: it does not exist", Assert.Throws<IOException>(() => EmqxKey.Read(_folder["gone"])).Message);
        Assert.Equal($"key-file {_folder.Path}: it is a directory", Assert.Throws<IOException>(() => EmqxKey.Read(_folder.Path)).Message);
    }
}
