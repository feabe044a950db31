using System.Text;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class ServerNameTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("exact.test", "exact.test")]
    [InlineData("EXACT.test", "exact.test")]
    [InlineData("a.example.com", "*.example.com")]
    [InlineData("A.Example.COM", "*.example.com")]
    [InlineData("a.b.example.com", "default.test")]
    [InlineData("sub.example.com", "*.example.com")]
    [InlineData("b.sub.example.com", "*.sub.example.com")]
    [InlineData("deep.b.sub.example.com", "default.test")]
    [InlineData("www.example.com", "www.example.com")]
    [InlineData("example.com", "default.test")]
    [InlineData("other.test", "default.test")]
    [InlineData(null, "default.test")]
    public async Task Certificate_ByServerName_IsTheMostExact(string? name, string expected)
    {
        var options = TlsOptions.For(_ca.Server(["default.test"])) with { };
        string[] names = ["exact.test", "*.example.com", "*.sub.example.com", "www.example.com"];
        options = options with
        {
            Certificates = options.Certificates.AddRange(names.Select(n =>
            {
                var certificate = _ca.Server([n]);
                return new CertificateOptions([n], certificate.CertificatePath, certificate.KeyPath);
            })),
        };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, name is null ? ["-noservername"] : ["-servername", name]);
        var seen = await served;
        Assert.Equal(name, seen.ServerName);
        Assert.Contains($"subject=CN = {expected}\n", output, StringComparison.Ordinal);
        Assert.Equal(5, server.Context.Dated.Length);
    }

    [Fact]
    public void Find_OfOddNames_IsNull()
    {
        var problems = new List<TlsProblem>();
        using var context = SslContextHandle.Create(server: true);
        var names = ServerNames.Create([("*.a.test", context), ("b.test", context), ("c.test.", context), ("*.d.test.", context)], problems);
        Assert.Empty(problems);
        Assert.Null(names.Find(""u8));
        Assert.Null(names.Find("."u8));
        Assert.Null(names.Find("..."u8));
        Assert.Null(names.Find("a.test"u8));
        Assert.Null(names.Find(".a.test"u8));
        Assert.Null(names.Find("x.y.a.test"u8));
        Assert.Null(names.Find("x..a.test"u8));
        Assert.Null(names.Find("*.b.test"u8));
        Assert.Null(names.Find(new byte[300]));
        Assert.Null(names.Find(Encoding.UTF8.GetBytes(new string('x', 249) + ".a.test")));
        Assert.Same(context, names.Find("b.test."u8));
        Assert.Same(context, names.Find("x.A.TEST"u8));
        Assert.Same(context, names.Find("x.a.test."u8));
        Assert.Same(context, names.Find("c.test"u8));
        Assert.Same(context, names.Find("x.d.test."u8));
    }

    [Theory]
    [InlineData("*")]
    [InlineData("a*.test")]
    [InlineData("")]
    [InlineData("*.*.test")]
    [InlineData("*..")]
    public void Create_WithBadName_NamesIt(string name)
    {
        var problems = new List<TlsProblem>();
        using var context = SslContextHandle.Create(server: true);
        _ = ServerNames.Create([(name, context)], problems);
        Assert.Contains($"\"{name}\"", Assert.Single(problems).Reason, StringComparison.Ordinal);
    }
}
