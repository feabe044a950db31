using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>The data plane of Linux: reactors of bare descriptors, each with a listening socket of its own (SO_REUSEPORT, socket(7)).</summary>
internal sealed class EpollPlane : IDataPlane
{
    private readonly EpollReactor[] _reactors;

    /// <exception cref="IOException">This is no Linux.</exception>
    public EpollPlane(int workers, SessionFlow flow, ILogger logger)
    {
        if (!Libc.IsAvailable) throw new IOException("node.data-plane = reactor runs on Linux alone, with its C library; data-plane = streams runs on this system");
        _reactors = [.. Enumerable.Range(0, workers).Select(i => new EpollReactor(i, flow, logger))];
    }

    public IReadOnlyList<Reactor> Reactors => _reactors;

    public void Start()
    {
        foreach (EpollReactor reactor in _reactors) reactor.Start();
    }

    /// <remarks>SO_REUSEPORT would let two nodes of one user share a port silently.</remarks>
    public void DemandFree(IPEndPoint at) => Tcp.DemandFree(at);

    public ListenerBinding Listen(IPEndPoint at, int backlog, TcpOptions tcp)
    {
        var descriptors = new List<int>();
        IPEndPoint bound = at;
        try
        {
            foreach (EpollReactor _ in _reactors)
            {
                int fd = Tcp.Listen(bound, backlog);
                descriptors.Add(fd);
                Tune(fd, tcp);
                if (bound.Port == 0) bound = new IPEndPoint(bound.Address, Tcp.LocalEndPoint(fd).Port);
            }
        }
        catch
        {
            foreach (int fd in descriptors) Tcp.Close(fd);
            throw;
        }
        return new Binding(_reactors, bound, [.. descriptors]);
    }

    public ValueTask DisposeAsync()
    {
        foreach (EpollReactor reactor in _reactors)
        {
            reactor.Stop();
            reactor.Dispose();
        }
        return ValueTask.CompletedTask;
    }

    /// <summary>What accepted sockets inherit (socket(7), tcp(7)) costs no call a connection.</summary>
    private static void Tune(int fd, TcpOptions settings)
    {
        Tcp.SetNoDelay(fd, settings.NoDelay);
        Tcp.SetKeepAlive(fd, (int)Math.Ceiling(settings.KeepAlive.TotalSeconds));
        Tcp.SetUserTimeout(fd, (int)settings.UserTimeout.TotalMilliseconds);
    }

    private sealed class Binding(EpollReactor[] reactors, IPEndPoint bound, int[] descriptors) : ListenerBinding
    {
        private ListenerSocket[] _sockets = [];

        public override IPEndPoint Bound => bound;

        public override void Retune(ListenerOptions options, TcpOptions tcp)
        {
            foreach (int fd in descriptors)
            {
                Tune(fd, tcp);
                Tcp.SetBacklog(fd, options.Backlog);
            }
        }

        public override async Task StartAsync(Listener listener)
        {
            _sockets = [.. descriptors.Select(fd => new ListenerSocket(listener, fd))];
            for (int i = 0; i < _sockets.Length; i++)
            {
                ListenerSocket socket = _sockets[i];
                await reactors[i].AskAsync(r => { r.Listen(socket); return true; }).ConfigureAwait(false);
            }
        }

        public override async Task StopAsync()
        {
            for (int i = 0; i < _sockets.Length; i++)
            {
                ListenerSocket socket = _sockets[i];
                await reactors[i].AskAsync(r =>
                {
                    while (socket.Index >= 0 && r.Flow.Accept(r, socket))
                    {
                    }
                    r.StopListening(socket);
                    return true;
                }).ConfigureAwait(false);
            }
        }

        public override void Discard()
        {
            foreach (int fd in descriptors) Tcp.Close(fd);
        }
    }
}
