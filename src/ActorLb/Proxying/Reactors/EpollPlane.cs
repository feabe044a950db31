using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Reactors;

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
        foreach (var reactor in _reactors) reactor.Start();
    }

    /// <remarks>SO_REUSEPORT would let two nodes of one user share a port silently.</remarks>
    public void DemandFree(IPEndPoint at) => Tcp.DemandFree(at);

    public ListenerBinding Listen(IPEndPoint at, int backlog, TcpOptions tcp) => Open(at, [], backlog, tcp);

    public ListenerBinding Adopt(InheritedListener inherited, int backlog, TcpOptions tcp) => Open(inherited.Bound, inherited.Descriptors, backlog, tcp);

    /// <param name="inherited">All are used, if there are more than reactors: each has connections in its queue.</param>
    private Binding Open(IPEndPoint at, int[] inherited, int backlog, TcpOptions tcp)
    {
        var opened = new List<int>();
        var bound = at;
        try
        {
            for (int i = inherited.Length; i < _reactors.Length; i++)
            {
                int fd = Tcp.Listen(bound, backlog);
                opened.Add(fd);
                if (bound.Port == 0) bound = new IPEndPoint(bound.Address, Tcp.LocalEndPoint(fd).Port);
            }
        }
        catch
        {
            foreach (int fd in opened) Tcp.Close(fd);
            throw;
        }
        int[] all = [.. inherited, .. opened];
        foreach (int fd in all) Tune(fd, tcp);
        foreach (int fd in inherited) Tcp.SetBacklog(fd, backlog);
        return new Binding(_reactors, bound, all);
    }

    public ValueTask DisposeAsync()
    {
        foreach (var reactor in _reactors)
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

        public override int[] Lend()
        {
            var lent = new List<int>();
            try
            {
                foreach (int fd in descriptors) lent.Add(LentDescriptors.Lend(fd));
                return [.. lent];
            }
            catch (IOException)
            {
                foreach (int fd in lent) Tcp.Close(fd);
                throw;
            }
        }

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
                var socket = _sockets[i];
                await reactors[i % reactors.Length].AskAsync(r => { r.Listen(socket); return true; }).ConfigureAwait(false);
            }
        }

        public override async Task StopAsync()
        {
            for (int i = 0; i < _sockets.Length; i++)
            {
                var socket = _sockets[i];
                await reactors[i % reactors.Length].AskAsync(r =>
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
