using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Proxying;

/// <summary>The listening sockets of all reactors. Opened for a whole configuration or not at all.</summary>
internal sealed class ListenerSet(IReadOnlyList<Reactor> reactors)
{
    // Written by one change at a time, replaced whole: status pages read it meanwhile.
    private volatile ImmutableDictionary<string, Entry> _entries = ImmutableDictionary.Create<string, Entry>(StringComparer.Ordinal);

    private sealed record Entry(Listener Listener, IPEndPoint Bind, ListenerSocket[] Sockets);

    public IEnumerable<Listener> All => _entries.Values.Select(e => e.Listener).ToArray();

    public Listener? Find(string name) => _entries.TryGetValue(name, out Entry? entry) ? entry.Listener : null;

    /// <summary>Descriptors opened for a change that may still be given up.</summary>
    public sealed class Opened : IDisposable
    {
        internal Dictionary<string, (IPEndPoint Bound, int[] Descriptors)> Sockets { get; } = new(StringComparer.Ordinal);

        internal bool Taken { get; set; }

        public void Dispose()
        {
            if (Taken) return;
            foreach (int fd in Sockets.Values.SelectMany(s => s.Descriptors)) Tcp.Close(fd);
        }
    }

    /// <summary>Opens what the new listeners need that is not open already.</summary>
    /// <exception cref="IOException">Names the listener, the address and the reason; nothing stays open then.</exception>
    public Opened Open(IEnumerable<ListenerOptions> wanted, Func<ListenerOptions, TcpOptions> tcp)
    {
        var opened = new Opened();
        string name = "";
        try
        {
            ListenerOptions[] opening = [.. wanted.Where(o => !(_entries.TryGetValue(o.Name, out Entry? kept) && kept.Bind.Equals(o.Bind)))];
            // All are asked for before the first is taken: those of one port may overlap, as 0.0.0.0 and [::] do.
            foreach (ListenerOptions options in opening)
            {
                name = options.Name;
                if (!_entries.Values.Any(e => Overlap(e.Bind, options.Bind))) Tcp.DemandFree(options.Bind);
            }
            foreach (ListenerOptions options in opening)
            {
                name = options.Name;
                var descriptors = new List<int>();
                IPEndPoint bound = options.Bind;
                foreach (Reactor _ in reactors)
                {
                    int fd = Tcp.Listen(bound, options.Backlog);
                    Tune(fd, tcp(options));
                    descriptors.Add(fd);
                    if (bound.Port == 0) bound = new IPEndPoint(bound.Address, Tcp.LocalEndPoint(fd).Port);
                    opened.Sockets[name] = (bound, [.. descriptors]);
                }
            }
            return opened;
        }
        catch (IOException e)
        {
            opened.Dispose();
            throw new IOException($"listener {name}: {e.Message}", e);
        }
    }

    /// <summary>Puts the listeners into force: new ones start, removed ones stop; what is already connected stays.</summary>
    public async Task ApplyAsync(
        IReadOnlyList<(ListenerOptions Options, Listener Listener)> wanted, Opened opened, Func<ListenerOptions, TcpOptions> tcp)
    {
        opened.Taken = true;
        var names = wanted.Select(w => w.Options.Name).ToHashSet(StringComparer.Ordinal);
        foreach ((string name, Entry entry) in _entries)
        {
            if (names.Contains(name) && !opened.Sockets.ContainsKey(name)) continue;
            await StopAsync(entry).ConfigureAwait(false);
            _entries = _entries.Remove(name);
        }
        foreach ((ListenerOptions options, Listener listener) in wanted)
        {
            if (!opened.Sockets.TryGetValue(options.Name, out (IPEndPoint Bound, int[] Descriptors) sockets))
            {
                foreach (ListenerSocket socket in _entries[options.Name].Sockets)
                {
                    Tune(socket.Fd, tcp(options));
                    Tcp.SetBacklog(socket.Fd, options.Backlog);
                }
                continue;
            }
            listener.BoundTo = sockets.Bound;
            ListenerSocket[] own = [.. sockets.Descriptors.Select(fd => new ListenerSocket(listener, fd))];
            _entries = _entries.SetItem(options.Name, new Entry(listener, options.Bind, own));
            for (int i = 0; i < own.Length; i++)
            {
                ListenerSocket socket = own[i];
                await reactors[i].AskAsync(r =>
                {
                    r.Listen(socket);
                    if (listener.Paused) r.SetAccepting(socket, accepting: false);
                    return true;
                }).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Closes all listening sockets: clients are refused by the kernel and go to another node.</summary>
    public async Task StopAllAsync()
    {
        foreach (Entry entry in _entries.Values) await StopAsync(entry).ConfigureAwait(false);
        _entries = _entries.Clear();
    }

    /// <summary>Stops or goes on taking connections on an open listener.</summary>
    public async Task SetPausedAsync(Listener listener, bool paused)
    {
        listener.Paused = paused;
        Entry entry = _entries[listener.Name];
        for (int i = 0; i < entry.Sockets.Length; i++)
        {
            ListenerSocket socket = entry.Sockets[i];
            await reactors[i].AskAsync(r => { r.SetAccepting(socket, !paused); return true; }).ConfigureAwait(false);
        }
    }

    private static bool Overlap(IPEndPoint one, IPEndPoint other) => one.Port == other.Port
        && (one.Address.Equals(other.Address) || IsAny(one.Address) || IsAny(other.Address));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    /// <summary>What accepted sockets inherit (socket(7), tcp(7)) costs no call a connection.</summary>
    private static void Tune(int fd, TcpOptions settings)
    {
        Tcp.SetNoDelay(fd, settings.NoDelay);
        Tcp.SetKeepAlive(fd, (int)Math.Ceiling(settings.KeepAlive.TotalSeconds));
        Tcp.SetUserTimeout(fd, (int)settings.UserTimeout.TotalMilliseconds);
    }

    private async Task StopAsync(Entry entry)
    {
        for (int i = 0; i < entry.Sockets.Length; i++)
        {
            ListenerSocket socket = entry.Sockets[i];
            await reactors[i].AskAsync(r => { r.StopListening(socket); return true; }).ConfigureAwait(false);
        }
    }
}
