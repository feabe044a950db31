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
        try
        {
            foreach (ListenerOptions options in wanted)
            {
                if (_entries.TryGetValue(options.Name, out Entry? kept) && kept.Bind.Equals(options.Bind)) continue;
                if (!_entries.Values.Any(e => e.Bind.Equals(options.Bind))) Tcp.DemandFree(options.Bind);
                TcpOptions settings = tcp(options);
                var descriptors = new List<int>();
                opened.Sockets[options.Name] = (options.Bind, []);
                IPEndPoint bound = options.Bind;
                foreach (Reactor _ in reactors)
                {
                    int fd = Tcp.Listen(bound, options.Backlog, settings.NoDelay);
                    // What accepted sockets inherit (socket(7), tcp(7)) costs no call a connection.
                    if (settings.KeepAlive > TimeSpan.Zero) Tcp.SetKeepAlive(fd, Math.Max(1, (int)settings.KeepAlive.TotalSeconds));
                    if (settings.UserTimeout > TimeSpan.Zero) Tcp.SetUserTimeout(fd, (int)settings.UserTimeout.TotalMilliseconds);
                    descriptors.Add(fd);
                    if (bound.Port == 0) bound = new IPEndPoint(bound.Address, Tcp.LocalEndPoint(fd).Port);
                    opened.Sockets[options.Name] = (bound, [.. descriptors]);
                }
            }
            return opened;
        }
        catch (IOException e)
        {
            string name = opened.Sockets.Keys.LastOrDefault() ?? "";
            opened.Dispose();
            string culprit = wanted.FirstOrDefault(o => e.Message.Contains(o.Bind.ToString(), StringComparison.Ordinal))?.Name ?? name;
            throw new IOException($"listener {culprit}: {e.Message}", e);
        }
    }

    /// <summary>Puts the listeners into force: new ones start, removed ones stop; what is already connected stays.</summary>
    public async Task ApplyAsync(IReadOnlyList<(ListenerOptions Options, Listener Listener)> wanted, Opened opened)
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
            if (!opened.Sockets.TryGetValue(options.Name, out (IPEndPoint Bound, int[] Descriptors) sockets)) continue;
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

    private async Task StopAsync(Entry entry)
    {
        for (int i = 0; i < entry.Sockets.Length; i++)
        {
            ListenerSocket socket = entry.Sockets[i];
            await reactors[i].AskAsync(r => { r.StopListening(socket); return true; }).ConfigureAwait(false);
        }
    }
}
