using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>HAProxy as a balancer that ends TLS, verifies clients, and tells a broker all it can by PROXY v2: the one to compare with.</summary>
internal sealed class HaproxyTls : IAsyncDisposable
{
    private readonly ProcessHost _process;
    private readonly TempFolder _folder;

    private HaproxyTls(ProcessHost process, TempFolder folder, IPEndPoint endPoint)
    {
        _process = process;
        _folder = folder;
        EndPoint = endPoint;
    }

    public IPEndPoint EndPoint { get; }

    public static Task<HaproxyTls> StartAsync(IPEndPoint broker, TestCertificate server, string ca) => Attempts.StartAsync(async () =>
    {
        var folder = new TempFolder();
        var endPoint = Ports.FreeEndPoint();
        string pem = folder.Write("server.pem", File.ReadAllText(server.CertificatePath) + File.ReadAllText(server.KeyPath));
        string file = folder.Write("haproxy.cfg", $$"""
            global
              nbthread 1
            defaults
              mode tcp
              timeout connect 5s
              timeout client 60s
              timeout server 60s
            frontend tls
              bind {{endPoint}} ssl crt {{pem}} ca-file {{ca}} verify required alpn mqtt
              default_backend broker
            backend broker
              server one {{broker}} send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c

            """);
        var process = ProcessHost.Start("haproxy", ["-db", "-f", file], Mosquitto.Environment);
        try
        {
            await process.WaitForPortAsync(endPoint);
            return new HaproxyTls(process, folder, endPoint);
        }
        catch
        {
            await process.DisposeAsync();
            folder.Dispose();
            throw;
        }
    });

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _folder.Dispose();
    }
}
