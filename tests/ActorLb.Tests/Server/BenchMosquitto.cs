using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;

namespace ActorLb.Tests.Server;

/// <summary>A real broker with listeners of all kinds: open, with passwords, TLS, mutual TLS, WebSocket with and without TLS.</summary>
public sealed class BenchMosquitto : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-bench-");
    private Process? _process;

    public int Port { get; private set; }

    public int PasswordPort { get; private set; }

    public int TlsPort { get; private set; }

    public int WebSocketPort { get; private set; }

    public int SecureWebSocketPort { get; private set; }

    /// <summary>Asks for a client certificate: <see cref="Certificate"/>, for it is its own authority.</summary>
    public int MutualTlsPort { get; private set; }

    public int MutualTlsWebSocketPort { get; private set; }

    public X509Certificate2 Certificate { get; } = NewCertificate();

    internal BenchTarget Target(int port, MqttVersion version = MqttVersion.V311) =>
        new("localhost", port, version, null, null, null, null, "t-", 60, TimeSpan.FromSeconds(10));

    public async ValueTask InitializeAsync()
    {
        // Another program may take a free port before the broker does.
        for (int attempt = 1; !await StartAsync(); attempt++)
            Assert.True(attempt < 5, "mosquitto did not start");
    }

    public void Kill() => _process?.Kill();

    public ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            if (!process.HasExited) process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
        Certificate.Dispose();
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    private async Task<bool> StartAsync()
    {
        int[] ports = FreePorts(7);
        (Port, PasswordPort, TlsPort, WebSocketPort) = (ports[0], ports[1], ports[2], ports[3]);
        (SecureWebSocketPort, MutualTlsPort, MutualTlsWebSocketPort) = (ports[4], ports[5], ports[6]);
        string certificate = Write("server.pem", Certificate.ExportCertificatePem());
        string key = Write("server.key", Certificate.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        string passwords = Write("passwords", "");
        using (var hash = Process.Start("mosquitto_passwd", ["-b", passwords, "alice", "secret"]))
        {
            await hash.WaitForExitAsync();
        }
        // A subscriber that is slow for a moment is owed all messages: by default the broker keeps 1,000 and drops the rest.
        string configuration = Write("mosquitto.conf", $"""
            user root
            max_queued_messages 0
            per_listener_settings true
            listener {Port}
            allow_anonymous true
            listener {PasswordPort}
            allow_anonymous false
            password_file {passwords}
            listener {TlsPort}
            allow_anonymous true
            certfile {certificate}
            keyfile {key}
            listener {WebSocketPort}
            protocol websockets
            allow_anonymous true
            listener {SecureWebSocketPort}
            protocol websockets
            allow_anonymous true
            certfile {certificate}
            keyfile {key}
            listener {MutualTlsPort}
            allow_anonymous true
            certfile {certificate}
            keyfile {key}
            cafile {certificate}
            require_certificate true
            listener {MutualTlsWebSocketPort}
            protocol websockets
            allow_anonymous true
            certfile {certificate}
            keyfile {key}
            cafile {certificate}
            require_certificate true

            """);
        _process = Process.Start(new ProcessStartInfo("mosquitto", ["-c", configuration]) { UseShellExecute = false, RedirectStandardError = true })!;
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            if (!line.EndsWith(" running", StringComparison.Ordinal)) continue;
            _ = _process.StandardError.ReadToEndAsync(); // or the pipe fills
            return true;
        }
        _process.Dispose();
        return false;
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (var listener in listeners) listener.Dispose();
        return ports;
    }

    internal static X509Certificate2 NewCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
