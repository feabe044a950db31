using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>What a peer learned from one connection's PROXY header.</summary>
internal sealed record ProxyPeerConnection(string Address, int Port, string? Authority = null, string? UniqueId = null);

/// <summary>NGINX with a stream listener that demands a PROXY header (v1 or v2), logs what it says and passes the rest on.</summary>
internal sealed class NginxPeer : IAsyncDisposable
{
    private const string Module = "/usr/lib/nginx/modules/ngx_stream_module.so";

    private readonly TempFolder _folder;

    private NginxPeer(ProcessHost process, TempFolder folder, IPEndPoint endPoint)
    {
        Process = process;
        _folder = folder;
        EndPoint = endPoint;
    }

    public ProcessHost Process { get; }

    public IPEndPoint EndPoint { get; }

    public static Task<NginxPeer> StartAsync(IPEndPoint upstream) => Attempts.StartAsync(async () =>
    {
        var folder = new TempFolder();
        var endPoint = Ports.FreeEndPoint();
        // Debian builds the module as a file of its own; elsewhere it may be part of the program.
        string load = File.Exists(Module) ? $"load_module {Module};" : "";
        string file = folder.Write("nginx.conf", $$"""
            {{load}}
            daemon off;
            worker_processes 1;
            pid {{folder["nginx.pid"]}};
            error_log stderr notice;
            events { worker_connections 1024; }
            stream {
              log_format peer 'peer $proxy_protocol_addr $proxy_protocol_port';
              access_log /dev/stdout peer;
              server {
                listen {{endPoint}} proxy_protocol;
                proxy_pass {{upstream}};
              }
            }
            """);
        var process = ProcessHost.Start("nginx", ["-p", folder.Path, "-e", "stderr", "-c", file], Mosquitto.Environment);
        try
        {
            await process.WaitForPortAsync(endPoint);
            return new NginxPeer(process, folder, endPoint);
        }
        catch
        {
            await process.DisposeAsync();
            folder.Dispose();
            throw;
        }
    });

    /// <summary>Waits for the log line of a connection with this address in its header; it comes when the connection has ended.</summary>
    public async Task<ProxyPeerConnection> WaitForConnectionAsync(string address)
    {
        string line = await Process.WaitForLineAsync($"peer {address} ");
        return new ProxyPeerConnection(address, int.Parse(line.Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        _folder.Dispose();
    }
}
