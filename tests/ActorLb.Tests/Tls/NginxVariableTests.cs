using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Tls;

/// <summary>The values of client certificates are those that a real NGINX prints for the same certificates.</summary>
public sealed class NginxVariableTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificate _server;

    public NginxVariableTests() => _server = _ca.Server(["a.test"]);

    public void Dispose() => _ca.Dispose();

    [Fact]
    public async Task ClientValues_ComparedWithNginx_AreTheSame()
    {
        TestCertificate[] clients =
        [
            _ca.Client("CN=device-1"),
            _ca.Client("CN=device-2, OU=Hall 3, O=Plant, L=Köln, C=DE", [0x01]),
            _ca.Client(Name("plus+comma,quote\"semi;<angle>\\", "ends "), [0x00, 0x80, 0xFF]),
            _ca.Client(Name("#hash first", " starts"), [0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            _ca.Client(Name("Gerät № 7 日本", "zwei"), [0x7F]),
            _ca.Client("CN=rsa-device, O=Plant", [0x12, 0x34], rsa: true),
        ];
        using var nginx = new Nginx(_ca, _server);
        foreach (var client in clients)
        {
            string expected = await nginx.Ask(client);
            var seen = await AskOurs(client);
            Assert.Equal(expected, $"{seen.Client!.Serial}|{seen.Client.SubjectDn}|{seen.Client.Fingerprint}|{seen.Protocol}|{seen.Cipher}|{seen.ServerName}");
        }
    }

    private static X500DistinguishedName Name(string commonName, string organization)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddOrganizationName(organization);
        builder.AddCommonName(commonName);
        return builder.Build();
    }

    private async Task<Seen> AskOurs(TestCertificate client)
    {
        using var server = new TlsTestServer(
            TlsOptions.For(_server) with { VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath });
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(
            server.Port, "-cert", client.CertificatePath, "-key", client.KeyPath, "-servername", "a.test");
        return await served;
    }

    private sealed class Nginx : IDisposable
    {
        private readonly Process _process;
        private readonly int _port;

        internal Nginx(TestCertificates ca, TestCertificate server)
        {
            _port = FreePort();
            string prefix = ca.Directory;
            Directory.CreateDirectory(Path.Combine(prefix, "tmp"));
            string configuration = ca.Write("nginx.conf", $$"""
                daemon off; master_process off; error_log {{prefix}}/error.log; pid {{prefix}}/nginx.pid;
                events { worker_connections 64; }
                http {
                    access_log off;
                    client_body_temp_path {{prefix}}/tmp; proxy_temp_path {{prefix}}/tmp; fastcgi_temp_path {{prefix}}/tmp;
                    uwsgi_temp_path {{prefix}}/tmp; scgi_temp_path {{prefix}}/tmp;
                    server {
                        listen 127.0.0.1:{{_port}} ssl;
                        ssl_certificate {{server.CertificatePath}}; ssl_certificate_key {{server.KeyPath}};
                        ssl_protocols TLSv1.2 TLSv1.3;
                        ssl_client_certificate {{ca.CaPath}}; ssl_verify_client on;
                        location / { return 200 "$ssl_client_serial|$ssl_client_s_dn|$ssl_client_fingerprint|$ssl_protocol|$ssl_cipher|$ssl_server_name"; }
                    }
                }
                """);
            _process = Process.Start(new ProcessStartInfo("nginx", ["-p", prefix, "-c", configuration])
            {
                UseShellExecute = false,
                RedirectStandardError = true,
            })!;
        }

        internal async Task<string> Ask(TestCertificate client)
        {
            using var tcp = await ConnectWhenListening();
            await using var stream = new SslStream(tcp.GetStream(), false, (_, _, _, _) => true);
            using var certificate = X509Certificate2.CreateFromPemFile(client.CertificatePath, client.KeyPath);
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "a.test",
                ClientCertificates = [certificate],
            });
            await stream.WriteAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
            using var reader = new StreamReader(stream, Encoding.UTF8);
            string response = await reader.ReadToEndAsync();
            Assert.StartsWith("HTTP/1.1 200", response, StringComparison.Ordinal);
            return response[(response.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
        }

        public void Dispose()
        {
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }

        private async Task<TcpClient> ConnectWhenListening()
        {
            var patience = Stopwatch.StartNew();
            while (true)
            {
                var tcp = new TcpClient();
                try
                {
                    await tcp.ConnectAsync(IPAddress.Loopback, _port);
                    return tcp;
                }
                catch (SocketException) when (!_process.HasExited && patience.Elapsed < Wait.Patience)
                {
                    tcp.Dispose();
                    await Task.Yield();
                }
            }
        }

        // nginx cannot be told to choose a port itself.
        private static int FreePort()
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
    }
}
