using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>Files that a configuration in a document names, of the kind that their names say.</summary>
public sealed class NamedFiles : IDisposable
{
    private readonly TestCertificates _certificates = new();
    private readonly string _chain;
    private readonly string _key;
    private readonly string _revoked;

    public NamedFiles()
    {
        var server = _certificates.Server(["mqtt.example.com", "*.example.com"]);
        (_chain, _key) = (_certificates.Join(server.CertificatePath, _certificates.CaPath, server.KeyPath), server.KeyPath);
        _revoked = _certificates.RevocationList([]);
    }

    internal string ContentOf(string name) => Path.GetFileName(name) switch
    {
        "revoked.pem" => File.ReadAllText(_revoked),
        "emqx-api.key" => "key:secret",
        var authorities when authorities.Contains("ca.", StringComparison.Ordinal) => File.ReadAllText(_certificates.CaPath),
        var certificate when certificate.EndsWith(".pem", StringComparison.Ordinal) => File.ReadAllText(_chain),
        var key when key.EndsWith(".key", StringComparison.Ordinal) => File.ReadAllText(_key),
        _ => new string('x', 40),
    };

    public void Dispose() => _certificates.Dispose();
}
