using System.Text;
using ActorLb.Cluster;
using ActorLb.Sticky;

namespace ActorLb.Fleet;

/// <summary>What an operator may do, through any node. Null means done; text says why not.</summary>
internal sealed class FleetOperations(FleetNode node)
{
    /// <summary>Asks a node to leave as planned; this one too.</summary>
    public Task<string?> LeaveAsync(string name) => node.ChangeAsync((core, done) => core.AskToLeave(name, done));

    /// <summary>Gives a node up at once: its shards go to their replicas, and if it still lives it stops.</summary>
    public Task<string?> DownAsync(string name) => node.ChangeAsync((core, done) => core.Down(name, done));

    public Task<string?> SetStateAsync(string pool, string id, SlotState state)
    {
        var text = state switch
        {
            SlotState.Up => BackendRegistry.Up,
            SlotState.Drain => BackendRegistry.Drain,
            SlotState.Down => BackendRegistry.Down,
            _ => BackendRegistry.Removed,
        };
        return ChangeAsync(pool, id, record => record with { State = text });
    }

    /// <param name="weight">Null goes back to the configured weight.</param>
    public Task<string?> SetWeightAsync(string pool, string id, int? weight) => ChangeAsync(pool, id, record => record with { Weight = weight });

    /// <summary>Forgets every client of the backend: they are placed anew at their next CONNECT.</summary>
    public Task<string?> FlushAsync(string pool, string id) =>
        ChangeAsync(pool, id, record => record with { Gen = BackendRegistry.NextGen(record.Gen) });

    public Task<StickyEntry> GetStickyAsync(string pool, string clientId) => AskAsync(
        pool, clientId, (region, h, waiter) => (region.GetOrAssign(h, default, waiter, 0, out var answer), answer));

    /// <summary>The client's next CONNECT goes to the backend.</summary>
    public Task<StickyEntry> SetStickyAsync(string pool, string clientId, BackendRef backend) => AskAsync(
        pool, clientId, (region, h, waiter) => (region.Impose(h, backend, waiter, 0, out var answer), answer));

    /// <summary>The client is placed anew at its next CONNECT.</summary>
    public Task<StickyEntry> ClearStickyAsync(string pool, string clientId) => AskAsync(
        pool, clientId, (region, h, waiter) => (region.Impose(h, BackendRef.None, waiter, 0, out var answer), answer));

    private Task<string?> ChangeAsync(string pool, string id, Func<BackendRecord, BackendRecord> change) =>
        node.ChangeAsync((core, done) => core.Backends.Change(new BackendKey(pool, id), change, done));

    private async Task<StickyEntry> AskAsync(
        string pool, string clientId, Func<ShardRegion, ulong, IStickyWaiter, (bool Now, StickyAnswer Answer)> ask)
    {
        var h = node.Map.Hash(Encoding.UTF8.GetBytes(pool), Encoding.UTF8.GetBytes(clientId));
        var waiter = new Waiter();
        var (now, answer) = ask(node.Region, h, waiter);
        if (!now)
        {
            answer = await waiter.Answer.ConfigureAwait(false);
        }

        return new StickyEntry(h, node.Region.Context.ShardOf(h), answer.Backend, answer.Outcome);
    }

    private sealed class Waiter : IStickyWaiter
    {
        private readonly TaskCompletionSource<StickyAnswer> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<StickyAnswer> Answer => _source.Task;

        public void Complete(ulong ticket, in StickyAnswer answer) => _source.TrySetResult(answer);
    }
}
