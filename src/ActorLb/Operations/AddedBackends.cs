using System.Collections.Immutable;
using System.Net;
using System.Threading.Channels;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Fleet.Inquiries;
using ActorLb.Fleet.Membership;
using ActorLb.Fleet.Spread;
using ActorLb.Protocol.Admin;
using Microsoft.Extensions.Logging;

namespace ActorLb.Operations;

/// <param name="Refusal">Why nothing was changed, or null.</param>
/// <param name="Silent">Nodes that could not be asked whether the change is possible.</param>
internal sealed record MemberChange(Refusal? Refusal, SilentNode[] Silent);

/// <summary>
/// Backends that operators add to configured pools and remove again, on all nodes, across reloads and restarts. Each node applies
/// the orders with its own <paramref name="apply"/>.
/// </summary>
/// <param name="orders">The node's orders, available once it has started.</param>
/// <param name="file">The node's configuration file.</param>
/// <param name="own">Names the node's listener that accepts connections at an address; null if none does.</param>
/// <param name="apply">Updates the node's pools to match the orders.</param>
internal sealed partial class AddedBackends(
    Inquiry inquiry, Func<FleetOrders> orders, Func<ActorLbOptions> file, Func<DnsEndPoint, string?> own, Func<CancellationToken, Task> apply,
    TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const string LookQuestion = "backends.look";

    /// <summary>Interval for reviewing orders whose backend is now in a file: a node that was silent may answer.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<string> _overtaken = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;

    /// <summary>Whether a node's file has a backend.</summary>
    private enum FileState : byte { NoPool = 0, Lacks = 1, Names = 2 }

    public ImmutableArray<AddedBackend> All => orders().Read(AddedBackend.Prefix, AddedBackend.TryDecode);

    public AddedBackend? Find(string pool, string id) => All.FirstOrDefault(a => a.Is(pool, id));

    /// <summary>Whether the fleet (or the disk) has not stored it yet.</summary>
    public bool IsLocal(AddedBackend added) => orders().Get(added.OrderName) is { IsLocal: true };

    /// <summary>The file's options with the added backends.</summary>
    public ActorLbOptions Apply(ActorLbOptions options) => AddedBackend.Apply(options, All);

    /// <summary>Registers the answer to other nodes' questions; call it before the node joins a fleet.</summary>
    public void Answer() => inquiry.Answer(LookQuestion, (request, _) => Task.FromResult(Look(request.Span)));

    /// <summary>Starts to apply the orders.</summary>
    public void Begin()
    {
        orders().Changed += Signal;
        _running = Task.Run(RunAsync);
        Signal();
    }

    public async Task<MemberChange> AddAsync(PoolOptions pool, DnsEndPoint address, int weight, bool backup, CancellationToken cancel)
    {
        var added = new AddedBackend(pool.Name, address, weight, backup);
        switch (pool.Discovery)
        {
            case DnsDiscoveryOptions dns:
                return Refused($"pool {pool.Name} finds its backends by DNS ({dns.Name}): add the address to that name; a pool has backends of its own or of DNS, not both");
            case EmqxDiscoveryOptions:
                return Refused($"pool {pool.Name} finds its backends by EMQX's API: have the broker join its cluster; a pool has backends of its own or of EMQX, not both");
        }
        if (IsInFile(pool.Name, added.Id)) return Refused($"backend {added.Id} is already in the configuration file of pool {pool.Name}");
        if (Find(pool.Name, added.Id) is not null)
        {
            return Refused($"backend {added.Id} was already added to pool {pool.Name}: pool weight changes its weight, and pool remove takes it out");
        }
        var answers = await AskAsync(added, cancel).ConfigureAwait(false);
        foreach (var answer in answers.Where(a => a.Problem is null))
        {
            if (Read(answer.Body).Own is { } listener)
            {
                return Refused($"{added.Id} is node {answer.Node} itself ({listener}): each of its clients would come back to it as a new one");
            }
        }
        var outcome = await orders().SetAsync(added.OrderName, added.Encode()).WaitAsync(cancel).ConfigureAwait(false);
        if (outcome.Refused is { } problem) return Refused(problem);
        await apply(cancel).ConfigureAwait(false);
        return new MemberChange(null, [.. answers.Where(a => a.Problem is not null).Select(a => new SilentNode(a.Node, a.Problem!))]);
    }

    /// <summary>Its sessions are treated like those of a backend that a reload removes.</summary>
    /// <returns>Why nothing was changed, or why the change holds only on this node for now.</returns>
    public async Task<(Refusal? Refusal, string? Pending)> RemoveAsync(PoolOptions pool, string id, CancellationToken cancel)
    {
        if (IsInFile(pool.Name, id))
        {
            return (new Refusal(
                RefusalKind.Refused,
                $"backend {id} of pool {pool.Name} is in the configuration file and was not added at run time: remove it there and reload; until then, pool down keeps clients away from it"), null);
        }
        if (Find(pool.Name, id) is not { } added)
        {
            string where = pool.Discovery switch
            {
                DnsDiscoveryOptions dns => $"was found by DNS ({dns.Name}): remove it from that name",
                EmqxDiscoveryOptions => "was found by EMQX's API: remove it from EMQX's cluster",
                _ => "was not added at run time",
            };
            return (new Refusal(RefusalKind.Refused, $"backend {id} of pool {pool.Name} {where}; pool down keeps clients away from it"), null);
        }
        var outcome = await orders().SetAsync(added.OrderName, default).WaitAsync(cancel).ConfigureAwait(false);
        if (outcome.Refused is { } problem) return (new Refusal(RefusalKind.Refused, problem), null);
        await apply(cancel).ConfigureAwait(false);
        return (null, outcome.Pending);
    }

    /// <summary>
    /// An order has no effect on nodes whose file names the backend. It is withdrawn once every node's file has the backend:
    /// earlier, nodes whose file lacks it would lose the backend.
    /// </summary>
    /// <returns>Whether such an order must stay for now.</returns>
    public async Task<bool> ReviewAsync(CancellationToken cancel)
    {
        bool stays = false;
        foreach (var added in All)
        {
            if (!IsInFile(added.Pool, added.Id)) continue;
            lock (_overtaken)
            {
                if (_overtaken.Add(added.OrderName)) Log.Overtaken(logger, added.Pool, added.Id);
            }
            var answers = await AskAsync(added, cancel).ConfigureAwait(false);
            string[] others = [.. answers.Where(a => a.Problem is not null || Read(a.Body).State == FileState.Lacks).Select(a => a.Node)];
            if (others.Length > 0)
            {
                stays = true;
                continue;
            }
            var outcome = await orders().SetAsync(added.OrderName, default).WaitAsync(cancel).ConfigureAwait(false);
            if (outcome.Refused is null) Log.Forgotten(logger, added.Pool, added.Id);
            lock (_overtaken) _overtaken.Remove(added.OrderName);
        }
        return stays;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_running.IsCompleted) orders().Changed -= Signal;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }

    private bool IsInFile(string pool, string id) => file().Pools.TryGetValue(pool, out var options) && AddedBackend.Names(options, id);

    private static MemberChange Refused(string reason) => new(new Refusal(RefusalKind.Refused, reason), []);

    /// <summary>Thread-safe. At most one signal is pending; it covers all changes until it is handled.</summary>
    private void Signal() => _changes.Writer.TryWrite(true);

    private async Task RunAsync()
    {
        ImmutableArray<AddedBackend> last = [];
        bool stays = false;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                // Changes of other orders, such as bans, don't concern the pools.
                var now = All;
                if (!now.SequenceEqual(last)) await apply(_stop.Token).ConfigureAwait(false);
                last = now;
                stays = await ReviewAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                if (_stop.IsCancellationRequested) return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                Log.Failed(logger, e);
            }
            using var wait = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var change = _changes.Reader.ReadAsync(wait.Token).AsTask();
            await Task.WhenAny(change, Task.Delay(stays ? LookAgain : Timeout.InfiniteTimeSpan, time, wait.Token)).ConfigureAwait(false);
            await wait.CancelAsync().ConfigureAwait(false);
            await ((Task)change).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task<NodeAnswer[]> AskAsync(AddedBackend added, CancellationToken cancel)
    {
        var writer = new WireWriter(256);
        writer.Text(added.Pool);
        writer.Text(AddressText.Format(added.Address));
        return inquiry.AskAsync(LookQuestion, writer.ToArray(), null, cancel);
    }

    private byte[] Look(ReadOnlySpan<byte> request)
    {
        var reader = new WireReader(request);
        string pool = reader.Text(ushort.MaxValue), text = reader.Text(ushort.MaxValue);
        if (!reader.IsValid || !AddressText.TryHost(text, out var address, out _)) throw new FormatException("a question about a backend is malformed");
        var state = !file().Pools.TryGetValue(pool, out var options) ? FileState.NoPool
            : AddedBackend.Names(options, Backend.IdOf(address)) ? FileState.Names : FileState.Lacks;
        var writer = new WireWriter(64);
        writer.Byte((byte)state);
        writer.Text(own(address) ?? "");
        return writer.ToArray();
    }

    private static (FileState State, string? Own) Read(ReadOnlySpan<byte> answer)
    {
        var reader = new WireReader(answer);
        var state = (FileState)reader.Byte();
        string own = reader.Text(ushort.MaxValue);
        // An invalid answer must not cause an order to be withdrawn.
        return !reader.IsValid || state > FileState.Names ? (FileState.Lacks, null) : (state, own.Length == 0 ? null : own);
    }

    private static partial class Log
    {
        [LoggerMessage(3611, LogLevel.Information, "pool {Pool}: this node's file now has backend {Backend}, which an operator had added; the file's settings apply here")]
        public static partial void Overtaken(ILogger logger, string pool, string backend);

        [LoggerMessage(3612, LogLevel.Information, "pool {Pool}: backend {Backend} is in the configuration file of every node; the operator's addition is dropped")]
        public static partial void Forgotten(ILogger logger, string pool, string backend);

        [LoggerMessage(3613, LogLevel.Error, "operators' additions to pools could not be applied; retrying with the next change")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
