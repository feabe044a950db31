using System.Text.RegularExpressions;
using ActorLb.Configuration;

namespace ActorLb.Tests.Server;

/// <summary>The side-by-side benchmark's own configurations stay valid as the format grows.</summary>
public sealed partial class BenchConfigurationTests(BenchMosquitto broker) : IClassFixture<BenchMosquitto>
{
    [Theory]
    [InlineData("plain", 1)]
    [InlineData("tls", 1)]
    [InlineData("ws", 2)]
    public void BenchConfiguration_PlacesFilledIn_IsValid(string group, int listeners)
    {
        var folder = Directory.CreateTempSubdirectory("actorlb-bench-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "server.pem"), broker.Certificate.ExportCertificatePem());
            using var key = System.Security.Cryptography.X509Certificates.RSACertificateExtensions.GetRSAPrivateKey(broker.Certificate)!;
            File.WriteAllText(Path.Combine(folder.FullName, "server.key"), key.ExportPkcs8PrivateKeyPem());
            int port = 20_000;
            string text = File.ReadAllText(Path.Combine(Root(), "tests", "bench", "conf", $"actorlb-{group}.conf"))
                .Replace("@DIR@", folder.FullName, StringComparison.Ordinal).Replace("@PLANE@", "reactor", StringComparison.Ordinal)
                .Replace("@NAME@", "bench", StringComparison.Ordinal);
            text = Place().Replace(text, _ => $"{port++}");
            string file = Path.Combine(folder.FullName, "bench.conf");
            File.WriteAllText(file, text);

            var result = ConfigurationLoader.Load(file);

            Assert.Empty(result.Errors);
            Assert.Empty(result.Warnings);
            Assert.Equal(listeners, result.Options!.Listeners.Count);
            Assert.All(result.Options.Pools.Values, pool => Assert.Equal(ProbeKind.None, pool.Health.Probe));
            Assert.Equal(1, result.Options.Node.Workers);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [GeneratedRegex("@[A-Z0-9_]+@", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Place();

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ActorLb.sln"))) folder = folder.Parent;
        Assert.NotNull(folder);
        return folder.FullName;
    }
}
