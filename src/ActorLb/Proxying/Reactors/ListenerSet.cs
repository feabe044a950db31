using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration;

namespace ActorLb.Proxying.Reactors;

/// <summary>The open listeners. Opened for a whole configuration or not at all.</summary>
internal sealed class ListenerSet(IDataPlane plane)
{
    // Written by one change at a time, replaced whole: status pages read it meanwhile.
    private volatile ImmutableDictionary<string, Entry> _entries = ImmutableDictionary.Create<string, Entry>(StringComparer.Ordinal);

    // Sockets of another process that no listener has taken yet.
    private ImmutableArray<InheritedListener> _inherited = [];
    private ImmutableHashSet<string> _startPaused = [];

    /// <param name="Binding">Null while the listener is paused or the node drains.</param>
    private sealed record Entry(Listener Listener, IPEndPoint Bind, ListenerBinding? Binding);

    public IEnumerable<Listener> All => _entries.Values.Select(e => e.Listener).ToArray();

    /// <summary>The sockets for the next <see cref="Open"/>, which takes those of its listeners. What is left is closed when the listeners are in force.</summary>
    /// <param name="paused">Listeners that were paused, and stay so.</param>
    public void Inherit(ImmutableArray<InheritedListener> inherited, IEnumerable<string> paused)
    {
        _inherited = inherited;
        _startPaused = [.. paused];
    }

    /// <summary>Whether a listener that is about to be made was paused in the process from which the sockets come.</summary>
    public bool StartsPaused(string name) => _startPaused.Contains(name);

    /// <summary>Copies of the sockets of all open listeners, for another process of this node.</summary>
    /// <exception cref="IOException">No descriptor is left, or the data plane hands none over.</exception>
    public ImmutableArray<InheritedListener> Lend()
    {
        var lent = ImmutableArray.CreateBuilder<InheritedListener>();
        try
        {
            foreach ((string name, var entry) in _entries)
            {
                if (entry.Binding is { } binding) lent.Add(new InheritedListener(name, entry.Bind, binding.Bound, binding.Lend()));
            }
            return lent.DrainToImmutable();
        }
        catch (IOException)
        {
            Close(lent);
            throw;
        }
    }

    public static void Close(IEnumerable<InheritedListener> inherited)
    {
        foreach (int fd in inherited.SelectMany(i => i.Descriptors)) Native.Tcp.Close(fd);
    }

    public Listener? Find(string name) => _entries.TryGetValue(name, out var entry) ? entry.Listener : null;

    /// <summary>Sockets opened for a change that may still be given up.</summary>
    public sealed class Opened : IDisposable
    {
        internal Dictionary<string, ListenerBinding> Bindings { get; } = new(StringComparer.Ordinal);

        internal bool Taken { get; set; }

        /// <summary>Where a listener was opened; null when it was not, since it is open already.</summary>
        public IPEndPoint? BoundTo(string listener) => Bindings.GetValueOrDefault(listener)?.Bound;

        public void Dispose()
        {
            if (Taken) return;
            foreach (var binding in Bindings.Values) binding.Discard();
        }
    }

    /// <summary>Opens what the listeners need that is not open already. The kernel's queue holds who comes before they are in force.</summary>
    /// <exception cref="IOException">Names the listener, the address and the reason; nothing stays open then.</exception>
    public Opened Open(IEnumerable<ListenerOptions> wanted, Func<ListenerOptions, TcpOptions> tcp)
    {
        var opened = new Opened();
        string name = "";
        try
        {
            ListenerOptions[] opening = [.. wanted.Where(IsToBeOpened)];
            // All are asked for before the first is taken: those of one port may overlap, as 0.0.0.0 and [::] do.
            foreach (var options in opening)
            {
                name = options.Name;
                if (InheritedFor(options) is not null) continue;
                if (!IsHeldByThisNode(options.Bind)) plane.DemandFree(PlaceOf(options));
            }
            foreach (var options in opening)
            {
                name = options.Name;
                if (InheritedFor(options) is { } inherited)
                {
                    opened.Bindings[name] = plane.Adopt(inherited, options.Backlog, tcp(options));
                    _inherited = _inherited.Remove(inherited);
                }
                else
                {
                    opened.Bindings[name] = plane.Listen(PlaceOf(options), options.Backlog, tcp(options));
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
        foreach ((string name, var entry) in _entries)
        {
            if (names.Contains(name) && !opened.Bindings.ContainsKey(name)) continue;
            if (entry.Binding is not null) await entry.Binding.StopAsync().ConfigureAwait(false);
            _entries = _entries.Remove(name);
        }
        foreach ((var options, var listener) in wanted)
        {
            if (listener.Paused)
            {
                await MovePausedAsync(options, listener).ConfigureAwait(false);
                continue;
            }
            if (!opened.Bindings.TryGetValue(options.Name, out var binding))
            {
                _entries[options.Name].Binding?.Retune(options, tcp(options));
                continue;
            }
            listener.BoundTo = binding.Bound;
            _entries = _entries.SetItem(options.Name, new Entry(listener, options.Bind, binding));
            await binding.StartAsync(listener).ConfigureAwait(false);
        }
        Close(_inherited);
        _inherited = [];
        _startPaused = [];
    }

    /// <summary>Closes all listening sockets: clients are refused by the kernel and go to another node.</summary>
    public async Task CloseAllAsync()
    {
        foreach (var entry in _entries.Values) await CloseAsync(entry).ConfigureAwait(false);
    }

    /// <summary>Closes a listener's sockets: who connects from now on is refused by the kernel, and need not wait to find out.</summary>
    public Task PauseAsync(Listener listener)
    {
        listener.Paused = true;
        return CloseAsync(_entries[listener.Name]);
    }

    /// <summary>Opens a paused listener again, where it was.</summary>
    /// <exception cref="IOException">It cannot be opened and stays paused.</exception>
    public async Task ResumeAsync(Listener listener, Func<ListenerOptions, TcpOptions> tcp)
    {
        listener.Paused = false;
        try
        {
            using var opened = Open([listener.Current.Options], tcp);
            await ApplyAsync([.. _entries.Values.Select(e => (e.Listener.Current.Options, e.Listener))], opened, tcp).ConfigureAwait(false);
        }
        catch (IOException)
        {
            listener.Paused = true;
            throw;
        }
    }

    /// <summary>Those of the same name and address, else of the address: a listener may have been renamed.</summary>
    private InheritedListener? InheritedFor(ListenerOptions options) =>
        _inherited.FirstOrDefault(i => i.Name == options.Name && i.Bind.Equals(options.Bind))
        ?? (options.Bind.Port == 0 ? null : _inherited.FirstOrDefault(i => i.Bound.Equals(options.Bind)));

    /// <summary>Whether a socket of this process, or one that it has inherited, overlaps: it would be taken for another program's.</summary>
    private bool IsHeldByThisNode(IPEndPoint bind) =>
        _entries.Values.Any(e => e.Binding is not null && Overlap(e.Bind, bind)) || _inherited.Any(i => Overlap(i.Bound, bind));

    private bool IsToBeOpened(ListenerOptions options) => !_entries.TryGetValue(options.Name, out var kept)
        ? !_startPaused.Contains(options.Name)
        : (!kept.Listener.Paused && !(kept.Binding is not null && kept.Bind.Equals(options.Bind)));

    /// <summary>A port that the kernel chose stays the listener's over a pause.</summary>
    private IPEndPoint PlaceOf(ListenerOptions options) =>
        _entries.TryGetValue(options.Name, out var kept) && kept.Bind.Equals(options.Bind) && kept.Listener.BoundTo is { } bound ? bound : options.Bind;

    private async Task MovePausedAsync(ListenerOptions options, Listener listener)
    {
        if (_entries.TryGetValue(options.Name, out var kept) && kept.Bind.Equals(options.Bind)) return;
        if (kept is not null) await CloseAsync(kept).ConfigureAwait(false);
        listener.BoundTo = null;
        _entries = _entries.SetItem(options.Name, new Entry(listener, options.Bind, null));
    }

    private async Task CloseAsync(Entry entry)
    {
        if (entry.Binding is not null) await entry.Binding.StopAsync().ConfigureAwait(false);
        _entries = _entries.SetItem(entry.Listener.Name, entry with { Binding = null });
    }

    private static bool Overlap(IPEndPoint one, IPEndPoint other) => one.Port == other.Port
        && (one.Address.Equals(other.Address) || IsAny(one.Address) || IsAny(other.Address));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
}
