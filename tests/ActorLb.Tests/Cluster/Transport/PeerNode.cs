using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using ActorLb.Cluster;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Cluster.Transport;

/// <summary>A transport on loopback that writes down what it hears and what it logs.</summary>
internal sealed class PeerNode : IPeerHandler, ILoggerFactory, ILogger, IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<string> _events = Channel.CreateUnbounded<string>();
    private readonly Channel<string> _log = Channel.CreateUnbounded<string>();
    private readonly Channel<byte[]> _frames = Channel.CreateUnbounded<byte[]>();

    private PeerNode(PeerEndpoint self, ClusterOptions options, uint keyCheck)
    {
        Self = self;
        Transport = new HttpPeerTransport(options, keyCheck, TimeProvider.System, new Random(1), this);
    }

    public PeerEndpoint Self { get; }

    public HttpPeerTransport Transport { get; }

    /// <summary>What to do with a frame instead of writing it down.</summary>
    public FrameAction? OnFrameAction { get; set; }

    public delegate void FrameAction(IPeerLink link, ReadOnlySpan<byte> frame);

    public static ClusterOptions Options(int port, string cluster = "test", string? secretFile = null, ServiceTlsOptions? tls = null) => new(
        CoordinatorKind.Etcd, cluster, new IPEndPoint(IPAddress.Loopback, port), null, null, secretFile, tls,
        new EtcdOptions([new Uri("http://127.0.0.1:2379")], "/t", TimeSpan.FromSeconds(5), null, null, null),
        [], TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), SplitRule.Majority, Shards: 64);

    public static async Task<PeerNode> StartAsync(
        string name, ulong incarnation = 1, string cluster = "test", string? secretFile = null, ServiceTlsOptions? tls = null, uint keyCheck = 1, int port = 0)
    {
        for (var attempt = 0; ; attempt++)
        {
            var at = port == 0 ? FreePort() : port;
            var node = new PeerNode(
                new PeerEndpoint(new PeerId(name, incarnation), $"127.0.0.1:{at}"), Options(at, cluster, secretFile, tls), keyCheck);
            try
            {
                await node.Transport.StartAsync(node.Self, node, CancellationToken.None);
                return node;
            }
            catch (IOException) when (port == 0 && attempt < 5)
            {
                await node.DisposeAsync();
            }
        }
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public static byte[] Frame(uint id, int body = 0)
    {
        var frame = new byte[PeerFrameHeader.Size + body];
        new PeerFrameHeader(PeerFrameType.Touch, 0, 0, id, 0).Write(frame, frame.Length);
        return frame;
    }

    public IPeerLink Connect(PeerNode other) => Transport.Connect(other.Self);

    /// <summary>The next "up NAME" or "down NAME: reason".</summary>
    public Task<string> EventAsync() => NextAsync(_events);

    public Task<byte[]> FrameAsync() => NextAsync(_frames);

    /// <summary>The next log line that holds the text.</summary>
    public async Task<string> LoggedAsync(string text)
    {
        var others = new List<string>();
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            while (true)
            {
                var line = await _log.Reader.ReadAsync(patience.Token);
                if (line.Contains(text, StringComparison.Ordinal))
                {
                    return line;
                }

                others.Add(line);
            }
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{Self.Id.Name} did not log \"{text}\" but: {string.Join("\n", others)}", e);
        }
    }

    private async Task<T> NextAsync<T>(Channel<T> channel)
    {
        try
        {
            return await channel.Reader.ReadAsync(new CancellationTokenSource(Patience).Token);
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{Self.Id.Name} heard nothing; its log: {string.Join("\n", All(_log))}; its events: {string.Join(", ", All(_events))}", e);
        }
    }

    private static IEnumerable<string> All(Channel<string> channel)
    {
        while (channel.Reader.TryRead(out var line))
        {
            yield return line;
        }
    }

    void IPeerHandler.OnFrame(IPeerLink link, ReadOnlySpan<byte> frame)
    {
        if (OnFrameAction is { } action)
        {
            action(link, frame);
        }
        else
        {
            _frames.Writer.TryWrite(frame.ToArray());
        }
    }

    void IPeerHandler.OnUp(IPeerLink link) => _events.Writer.TryWrite($"up {link.Peer.Name}");

    void IPeerHandler.OnDown(IPeerLink link, string reason) => _events.Writer.TryWrite($"down {link.Peer.Name}: {reason}");

    public ValueTask DisposeAsync() => Transport.DisposeAsync();

    ILogger ILoggerFactory.CreateLogger(string categoryName) => this;

    void ILoggerFactory.AddProvider(ILoggerProvider provider)
    {
    }

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Information)
        {
            _log.Writer.TryWrite($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
        }
    }

    bool ILogger.IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    void IDisposable.Dispose()
    {
    }
}
