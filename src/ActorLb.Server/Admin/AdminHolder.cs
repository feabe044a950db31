using System.Net;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Server.Hosting;

namespace ActorLb.Server.Admin;

/// <summary>The node's admin endpoint, which can be stopped and started again although a web server instance cannot.</summary>
internal sealed class AdminHolder(Node node, NodeLogging logging, NodeControl control) : IAsyncDisposable
{
    private AdminEndpoint? _endpoint;

    public IPEndPoint Address => _endpoint!.Address;

    /// <exception cref="IOException">The address is in use, or a file cannot be used.</exception>
    public async Task StartAsync(AdminOptions options)
    {
        var endpoint = new AdminEndpoint(node, logging, control);
        try
        {
            await endpoint.StartAsync(options);
        }
        catch
        {
            // The next try registers the same fleet inquiries again.
            await endpoint.DisposeAsync();
            throw;
        }
        _endpoint = endpoint;
    }

    /// <summary>Writes every metric; nothing while the endpoint is stopped.</summary>
    public void WriteMetrics(MetricsWriter w) => _endpoint?.WriteMetrics(w);

    public async Task StopAsync()
    {
        if (_endpoint is not null) await _endpoint.DisposeAsync();
        _endpoint = null;
    }

    public async ValueTask DisposeAsync() => await StopAsync();
}
