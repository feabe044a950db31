using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Streams;

/// <summary>
/// The data plane of Akka.Streams: each connection is a graph, on sockets of .NET, so it runs wherever .NET does. Listeners of plain TCP
/// only. The graphs' actors have a system of their own, and each reactor runs its part of them.
/// </summary>
internal sealed class StreamsPlane : IDataPlane
{
    private readonly StreamsReactor[] _reactors;
    private readonly ActorSystem _system;

    public StreamsPlane(int workers, SessionFlow flow, ILogger logger)
    {
        _reactors = [.. Enumerable.Range(0, workers).Select(i => new StreamsReactor(i, flow, logger))];
        var bootstrap = BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString(Settings(workers)));
        _system = ActorSystem.Create("streams", ActorSystemSetup.Create(bootstrap, new StreamsSetup(_reactors)));
        foreach (var reactor in _reactors) reactor.System = _system;
    }

    public IReadOnlyList<Reactor> Reactors => _reactors;

    /// <summary>The graphs' actors.</summary>
    public ActorSystem System => _system;

    /// <summary>The dispatcher whose actors a reactor runs.</summary>
    public static string DispatcherOf(int reactor) => $"actorlb.reactor-{reactor}";

    public void Start()
    {
        foreach (var reactor in _reactors) reactor.Start();
    }

    public void DemandFree(IPEndPoint at)
    {
        if (at.Port != 0) Bind(at, shared: false).Dispose();
    }

    /// <remarks>Two sockets of one port may overlap, as 0.0.0.0 and [::] do: the system prefers the one that is bound more closely.</remarks>
    public ListenerBinding Listen(IPEndPoint at, int backlog, TcpOptions tcp)
    {
        var socket = Bind(at, shared: true);
        try
        {
            SocketTuning.Apply(socket, tcp);
            socket.Listen(backlog);
            return new StreamsBinding(_reactors, socket, tcp);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw Failed(at, e);
        }
    }

    /// <exception cref="IOException">Always: an upgrade is refused before it comes to that.</exception>
    public ListenerBinding Adopt(InheritedListener inherited, int backlog, TcpOptions tcp) => throw new IOException(StreamsBinding.NoHandOver);

    private static Socket Bind(IPEndPoint at, bool shared)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (at.Address.Equals(IPAddress.IPv6Any)) socket.DualMode = true;
            if (shared) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, optionValue: true);
            socket.Bind(at);
            return socket;
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw Failed(at, e);
        }
    }

    private static IOException Failed(IPEndPoint at, SocketException e) =>
        new($"cannot listen on {at}: {Libc.ErrorText(SocketErrors.ToErrno(e.SocketErrorCode))}", e);

    public async ValueTask DisposeAsync()
    {
        foreach (var reactor in _reactors) await reactor.StopAsync().ConfigureAwait(false);
        await _system.Terminate().ConfigureAwait(false);
        foreach (var reactor in _reactors) reactor.Dispose();
    }

    private static string Settings(int workers)
    {
        var settings = new StringBuilder("""
            akka {
              loggers = []
              loglevel = OFF
              stdout-loglevel = OFF
              log-dead-letters = off
              log-dead-letters-during-shutdown = off
              coordinated-shutdown { exit-clr = off, run-by-clr-shutdown-hook = off, run-by-actor-system-terminate = off }
              scheduler.tick-duration = 100ms
              actor {
                provider = local
                default-dispatcher { executor = thread-pool-executor, shutdown-timeout = 100ms }
                internal-dispatcher { executor = thread-pool-executor, shutdown-timeout = 100ms }
              }
            }

            """);
        for (int i = 0; i < workers; i++)
        {
            settings.Append("actorlb.reactor-").Append(i)
                .Append(" { type = Dispatcher, executor = \"ActorLb.Proxying.Streams.SerialExecutorConfigurator, ActorLb.Engine\", throughput = 16, ")
                .Append("throughput-deadline-time = 0ms, shutdown-timeout = 100ms, reactor = ").Append(i).Append(" }\n");
        }
        return settings.ToString();
    }
}
