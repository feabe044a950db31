using System.Net;
using System.Text;
using ActorLb.Cluster;
using ActorLb.Cluster.Etcd;
using ActorLb.Configuration;
using ActorLb.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.SystemTests.Cluster;

/// <summary>Users, passwords, tokens and certificates, against real members.</summary>
public sealed class EtcdSecurityTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-etcd");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    [Trait("speed", "slow")]
    public async Task Users_LogInAgainWhenTheTokenIsForgotten_AndErrorsNameThemButNoPassword()
    {
        await using var etcd = await EtcdServer.StartAsync();
        var member = etcd.Members[0];
        await using var early = Store(etcd, "root", "s3cret-root");
        Assert.True((await early.RangeAsync("", Soon)).IsOk);

        await member.ControlAsync("user", "add", "root:s3cret-root");
        await member.ControlAsync("user", "add", "reader:s3cret-reader");
        await member.ControlAsync("role", "add", "read-only");
        await member.ControlAsync("role", "grant-permission", "--prefix=true", "read-only", "read", "/actorlb/");
        await member.ControlAsync("user", "grant-role", "reader", "read-only");
        await member.ControlAsync("auth", "enable");

        // Switched on while the store was in use without.
        ClusterStoreConformance.Good(await early.RangeAsync("", Soon));
        await ClusterStoreConformance.PutAsync(early, "k", "1");

        // A restarted member remembers no token (3.4 keeps them in memory).
        member.Kill();
        member.Start();
        await member.WhenReadyAsync();
        await ClusterStoreConformance.PutAsync(early, "k", "2");

        await using var reader = Store(etcd, "reader", "s3cret-reader");
        var read = ClusterStoreConformance.Good(await reader.RangeAsync("k", Soon));
        Assert.Equal("2", ClusterStoreConformance.Text(read.Entries[0]));
        Assert.Equal("2", ClusterStoreConformance.Text((await ClusterStoreConformance.TakeAsync(reader, "k", read.Revision, 1))[0].Entry));
        var write = await reader.CommitAsync(new StoreTransaction([], [StoreWrite.Put("k", default)]), Soon);
        Assert.Equal(StoreError.AuthFailed, write.Error);
        Assert.Contains("permission denied", write.Detail, StringComparison.Ordinal);

        await using var wrong = Store(etcd, "root", "wr0ng-password");
        var refused = await wrong.RangeAsync("", Soon);
        Assert.Equal(StoreError.AuthFailed, refused.Error);
        Assert.Contains("\"root\"", refused.Detail, StringComparison.Ordinal);
        Assert.Contains(member.Client.Authority, refused.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng", refused.Detail, StringComparison.Ordinal);
        await foreach (var batch in wrong.WatchAsync("", 1, Soon))
        {
            Assert.Equal(StoreError.AuthFailed, batch.Error);
        }

        await using var nobody = Store(etcd, null, null);
        var anonymous = await nobody.RangeAsync("", Soon);
        Assert.Equal(StoreError.AuthFailed, anonymous.Error);
        Assert.Contains("user name is empty", anonymous.Detail, StringComparison.Ordinal);

        File.Delete(Path.Combine(_folder.FullName, "wr0ng-password"));
        var missing = await wrong.RangeAsync("", Soon);
        Assert.Equal(StoreError.AuthFailed, missing.Error);
        Assert.Contains("password file", missing.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Tls_WithTheRightCertificates_WorksOverBothHttpVersions_AndWrongOnesAreNamed()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        using var stranger = new ServiceAuthority(_folder.FullName, "stranger");
        var (certificate, key) = authority.Issue("etcd");
        await using var etcd = await EtcdServer.StartAsync(1, new EtcdServerOptions(new EtcdServerTls(certificate, key, authority.CertificateFile, true)));
        var (own, ownKey) = authority.Issue("lb-1");

        await using var good = Store(etcd, new ServiceTlsOptions(own, ownKey, authority.CertificateFile));
        await ClusterStoreConformance.PutAsync(good, "k", "1");
        Assert.Single(await ClusterStoreConformance.TakeAsync(good, "k", ClusterStoreConformance.Good(await good.RangeAsync("k", Soon)).Revision, 1));

        await using var distrusting = Store(etcd, new ServiceTlsOptions(own, ownKey, stranger.CertificateFile));
        var untrusted = await distrusting.RangeAsync("", Soon);
        Assert.Equal(StoreError.Unavailable, untrusted.Error);
        Assert.Contains("certificate", untrusted.Detail, StringComparison.OrdinalIgnoreCase);

        await using var bare = Store(etcd, new ServiceTlsOptions(null, null, authority.CertificateFile));
        var unknown = await bare.RangeAsync("", Soon);
        Assert.Equal(StoreError.Unavailable, unknown.Error);
        Assert.Contains(etcd.Members[0].Client.Authority, unknown.Detail, StringComparison.Ordinal);

        // JSON over HTTP/2 works on TLS, unlike on clear text.
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        handler.SslOptions.ClientCertificates = [System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(own, ownKey)];
        using var http = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(etcd.Members[0].Client, "/v3/kv/range"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent("""{"key":"YQ=="}"""),
        };
        using var response = await http.SendAsync(request, Soon);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public void Tls_UnusableFile_IsNamedAtTheStart()
    {
        var file = Path.Combine(_folder.FullName, "broken.pem");
        File.WriteAllText(file, "no certificate");
        foreach (var tls in new[] { new ServiceTlsOptions(null, null, file), new ServiceTlsOptions(file, file, null), new ServiceTlsOptions(null, null, file + ".gone") })
        {
            var error = Assert.Throws<InvalidOperationException>(() => new EtcdStore(
                new EtcdOptions([new Uri("https://127.0.0.1:1")], "/p", TimeSpan.FromSeconds(5), null, null, tls),
                TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance));
            Assert.Contains(file, error.Message, StringComparison.Ordinal);
        }
    }

    private static EtcdStore Store(EtcdServer etcd, ServiceTlsOptions tls) =>
        new(etcd.Options() with { Tls = tls }, TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);

    private EtcdStore Store(EtcdServer etcd, string? user, string? password)
    {
        string? file = null;
        if (password is not null)
        {
            file = Path.Combine(_folder.FullName, password);
            File.WriteAllText(file, password + "\n", Encoding.UTF8);
        }

        return new EtcdStore(
            etcd.Options() with { User = user, PasswordFile = file }, TimeProvider.System, new Random(1), NullLogger<EtcdStore>.Instance);
    }
}
