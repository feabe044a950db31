using System.Net;
using System.Net.Sockets;
using MQTTnet.Server;

namespace ActorLb.Server.Demo;

/// <summary>One of the demo's brokers. It shares nothing with the others, like EMQX nodes outside a cluster.</summary>
internal sealed class DemoBroker : IAsyncDisposable
{
    private readonly MqttServer _server;

    private DemoBroker(MqttServer server, int port)
    {
        _server = server;
        Address = new IPEndPoint(IPAddress.Loopback, port);
    }

    public IPEndPoint Address { get; }

    /// <param name="port">0 for any free one.</param>
    /// <exception cref="SocketException">The port cannot be taken.</exception>
    public static async Task<DemoBroker> StartAsync(int port)
    {
        var options = new MqttServerOptionsBuilder()
            .WithDefaultEndpoint()
            .WithDefaultEndpointPort(port)
            .WithDefaultEndpointBoundIPAddress(IPAddress.Loopback)
            .WithDefaultEndpointBoundIPV6Address(IPAddress.None) // no listener for IPv6
            .Build();
        // By default the broker closes with a reset, which loses its last packet.
        options.DefaultEndpointOptions.LingerState = new LingerOption(enable: false, seconds: 0);
        var server = new MqttServerFactory().CreateMqttServer(options);
        try
        {
            await server.StartAsync();
        }
        catch
        {
            server.Dispose();
            throw;
        }
        // The server writes the port that it was given into its options.
        return new DemoBroker(server, options.DefaultEndpointOptions.Port);
    }

    /// <summary>Ids of the connected clients, as the broker itself knows them.</summary>
    public async Task<IReadOnlyList<string>> ClientIdsAsync() => [.. (await _server.GetClientsAsync()).Select(client => client.Id)];

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync(new MqttServerStopOptions());
        _server.Dispose();
    }
}
