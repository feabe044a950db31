using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>NGINX as the proxy that stands before the balancer: it passes WebSocket on and tells who the client is.</summary>
internal sealed class NginxWebSocket : IAsyncDisposable
{
    private readonly ProcessHost _process;
    private readonly TempFolder _folder;

    private NginxWebSocket(ProcessHost process, TempFolder folder, IPEndPoint endPoint)
    {
        _process = process;
        _folder = folder;
        EndPoint = endPoint;
    }

    public IPEndPoint EndPoint { get; }

    public static Task<NginxWebSocket> StartAsync(IPEndPoint upstream) => Attempts.StartAsync(async () =>
    {
        var folder = new TempFolder();
        var endPoint = Ports.FreeEndPoint();
        string file = folder.Write("nginx.conf", $$"""
            daemon off;
            worker_processes 1;
            pid {{folder["nginx.pid"]}};
            error_log stderr notice;
            events { worker_connections 256; }
            http {
              access_log off;
              client_body_temp_path {{folder["body"]}};
              proxy_temp_path {{folder["proxy"]}};
              fastcgi_temp_path {{folder["fastcgi"]}};
              uwsgi_temp_path {{folder["uwsgi"]}};
              scgi_temp_path {{folder["scgi"]}};
              server {
                listen {{endPoint}};
                location / {
                  proxy_pass http://{{upstream}};
                  proxy_http_version 1.1;
                  proxy_set_header Upgrade $http_upgrade;
                  proxy_set_header Connection "upgrade";
                  proxy_set_header Host mqtt.example.com;
                  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }
              }
            }
            """);
        var process = ProcessHost.Start("nginx", ["-p", folder.Path, "-e", "stderr", "-c", file], Mosquitto.Environment);
        try
        {
            await process.WaitForPortAsync(endPoint);
            return new NginxWebSocket(process, folder, endPoint);
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
