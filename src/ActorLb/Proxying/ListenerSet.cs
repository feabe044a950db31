using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;

namespace ActorLb.Proxying;

/// <summary>The open listeners. Opened for a whole configuration or not at all.</summary>
internal sealed class ListenerSet(IDataPlane plane)
{
    // Written by one change at a time, replaced whole: status pages read it meanwhile.
    private volatile ImmutableDictionary<string, Entry> _entries = ImmutableDictionary.Create<string, Entry>(StringComparer.Ordinal);

    private sealed record Entry(Listener Listener, IPEndPoint Bind, ListenerBinding Binding);

    public IEnumerable<Listener> All => _entries.Values.Select(e => e.Listener).ToArray();

    public Listener? Find(string name) => _entries.TryGetValue(name, out Entry? entry) ? entry.Listener : null;

    /// <summary>Sockets opened for a change that may still be given up.</summary>
    public sealed class Opened : IDisposable
    {
        internal Dictionary<string, ListenerBinding> Bindings { get; } = new(StringComparer.Ordinal);

        internal bool Taken { get; set; }

        public void Dispose()
        {
            if (Taken) return;
            foreach (ListenerBinding binding in Bindings.Values) binding.Discard();
        }
    }

    /// <summary>Opens what the new listeners need that is not open already.</summary>
    /// <exception cref="IOException">Names the listener, the address and the reason; nothing stays open then.</exception>
    public Opened Open(IReadOnlyCollection<ListenerOptions> wanted, Func<ListenerOptions, TcpOptions> tcp)
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
                if (!_entries.Values.Any(e => Overlap(e.Bind, options.Bind))) plane.DemandFree(options.Bind);
            }
            foreach (ListenerOptions options in opening)
            {
                name = options.Name;
                opened.Bindings[name] = plane.Listen(options, tcp(options));
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
            if (names.Contains(name) && !opened.Bindings.ContainsKey(name)) continue;
            await entry.Binding.StopAsync().ConfigureAwait(false);
            _entries = _entries.Remove(name);
        }
        foreach ((ListenerOptions options, Listener listener) in wanted)
        {
            if (!opened.Bindings.TryGetValue(options.Name, out ListenerBinding? binding))
            {
                _entries[options.Name].Binding.Retune(options, tcp(options));
                continue;
            }
            listener.BoundTo = binding.Bound;
            _entries = _entries.SetItem(options.Name, new Entry(listener, options.Bind, binding));
            await binding.StartAsync(listener).ConfigureAwait(false);
        }
    }

    /// <summary>Closes all listening sockets: clients are refused by the kernel and go to another node.</summary>
    public async Task StopAllAsync()
    {
        foreach (Entry entry in _entries.Values) await entry.Binding.StopAsync().ConfigureAwait(false);
        _entries = _entries.Clear();
    }

    /// <summary>Stops or goes on taking connections on an open listener.</summary>
    public async Task SetPausedAsync(Listener listener, bool paused)
    {
        listener.Paused = paused;
        await _entries[listener.Name].Binding.SetPausedAsync(paused).ConfigureAwait(false);
    }

    private static bool Overlap(IPEndPoint one, IPEndPoint other) => one.Port == other.Port
        && (one.Address.Equals(other.Address) || IsAny(one.Address) || IsAny(other.Address));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
}
