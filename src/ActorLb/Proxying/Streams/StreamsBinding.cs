using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Streams;

/// <summary>A listening socket that deals its connections out to the reactors in turn.</summary>
internal sealed class StreamsBinding(StreamsReactor[] reactors, Socket socket, TcpOptions tcp) : ListenerBinding
{
    /// <summary>How often a listener that closes looks whether somebody waits to be accepted.</summary>
    private const int MostWaits = 100;

    /// <summary>Why its sockets go to no other process.</summary>
    public const string NoHandOver = "with node.data-plane = streams a node hands no listening sockets over: stop it and start the other version";

    private readonly IPEndPoint _bound = (IPEndPoint)socket.LocalEndPoint!;
    private volatile TcpOptions _tcp = tcp;
    private ListenerSocket[] _sockets = [];
    private Task _accepting = Task.CompletedTask;
    private uint _next;

    public override IPEndPoint Bound => _bound;

    public override int[] Lend() => throw new IOException(NoHandOver);

    public override void Retune(ListenerOptions options, TcpOptions tcp)
    {
        _tcp = tcp;
        SocketTuning.Apply(socket, tcp);
        socket.Listen(options.Backlog);
    }

    public override async Task StartAsync(Listener listener)
    {
        _sockets = [.. reactors.Select(_ => new ListenerSocket(listener, -1))];
        for (int i = 0; i < _sockets.Length; i++)
        {
            var one = _sockets[i];
            await reactors[i].AskAsync(r => { r.Listen(one); return true; }).ConfigureAwait(false);
        }
        _accepting = Task.Run(AcceptAsync);
    }

    public override async Task StopAsync()
    {
        // The loop takes who waits.
        for (int i = 0; i < MostWaits && socket.Poll(0, SelectMode.SelectRead); i++) await Task.Delay(1).ConfigureAwait(false);
        socket.Dispose();
        await _accepting.ConfigureAwait(false);
        for (int i = 0; i < _sockets.Length; i++)
        {
            var one = _sockets[i];
            await reactors[i].AskAsync(r => { r.StopListening(one); return true; }).ConfigureAwait(false);
        }
    }

    public override void Discard() => socket.Dispose();

    /// <summary>Waits until there may be descriptors or memory again.</summary>
    private async Task RestAsync(int errno)
    {
        reactors[0].Post(r => r.Flow.AcceptFailed(r, _sockets[0], errno));
        await Task.Delay(Acceptor.Pause).ConfigureAwait(false);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                var client = await socket.AcceptAsync().ConfigureAwait(false);
                if (OperatingSystem.IsLinux() && FileDescriptors.IsReserved((int)client.Handle))
                {
                    client.Dispose();
                    await RestAsync(Libc.EMFILE).ConfigureAwait(false);
                    continue;
                }
                if (!SocketTuning.IsInherited) SocketTuning.Apply(client, _tcp);
                int next = (int)(_next++ % (uint)reactors.Length);
                reactors[next].Post(r => ((StreamsReactor)r).Serve(_sockets[next], client));
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.OperationAborted or SocketError.Interrupted or SocketError.InvalidArgument)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode != SocketError.ConnectionAborted)
            {
                await RestAsync(SocketErrors.ToErrno(e.SocketErrorCode)).ConfigureAwait(false);
            }
        }
    }
}
