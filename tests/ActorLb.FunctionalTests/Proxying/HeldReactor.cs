using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>Holds up a node's only reactor, so that what peers do meanwhile comes to it all at once, as one event.</summary>
internal sealed class HeldReactor : IAsyncDisposable
{
    private readonly ManualResetEventSlim _go = new();
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task<bool> _holding;

    private HeldReactor(TestNode node) => _holding = node.Node.Reactors.Single().AskAsync(_ =>
    {
        _held.SetResult();
        return _go.Wait(Wait.Patience);
    });

    public static async Task<HeldReactor> OfAsync(TestNode node)
    {
        var reactor = new HeldReactor(node);
        await reactor._held.Task;
        return reactor;
    }

    public async ValueTask DisposeAsync()
    {
        _go.Set();
        await _holding;
        _go.Dispose();
    }
}
