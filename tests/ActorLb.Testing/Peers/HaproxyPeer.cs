using System.Globalization;
using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>HAProxy that demands a PROXY header, logs its addresses, authority and unique id, and passes the rest on.</summary>
internal sealed class HaproxyPeer : IAsyncDisposable
{
    private readonly TempFolder _folder;

    private HaproxyPeer(ProcessHost process, TempFolder folder, IPEndPoint endPoint)
    {
        Process = process;
        _folder = folder;
        EndPoint = endPoint;
    }

    public ProcessHost Process { get; }

    public IPEndPoint EndPoint { get; }

    public static Task<HaproxyPeer> StartAsync(IPEndPoint upstream) => Attempts.StartAsync(async () =>
    {
        var folder = new TempFolder();
        var endPoint = Ports.FreeEndPoint();
        string file = folder.Write("haproxy.cfg", $$"""
            global
              log stdout format raw local0
              nbthread 1
            defaults
              mode tcp
              timeout connect 5s
              timeout client 60s
              timeout server 60s
            frontend peer
              bind {{endPoint}} accept-proxy
              log global
              log-format "peer %ci %cp authority=%[fc_pp_authority] unique-id=%[fc_pp_unique_id,hex]"
              default_backend upstream
            backend upstream
              server one {{upstream}}

            """);
        var process = ProcessHost.Start("haproxy", ["-db", "-f", file], Mosquitto.Environment);
        try
        {
            await process.WaitForPortAsync(endPoint);
            return new HaproxyPeer(process, folder, endPoint);
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
        string[] parts = (await Process.WaitForLineAsync($"peer {address} ")).Split(' ');
        return new ProxyPeerConnection(
            parts[1], int.Parse(parts[2], CultureInfo.InvariantCulture), Value(parts[3]), Value(parts[4]));
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        _folder.Dispose();
    }

    private static string? Value(string field)
    {
        string value = field[(field.IndexOf('=', StringComparison.Ordinal) + 1)..];
        return value is "" or "-" ? null : value;
    }
}
