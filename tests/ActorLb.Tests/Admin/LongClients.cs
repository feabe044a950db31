using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

/// <summary>Clients whose ids are as long as ids may be, and of bytes that JSON has to escape.</summary>
internal sealed class LongClients(AdminNode node) : IAsyncDisposable
{
    private readonly List<RawClient> _clients = [];

    public List<string> Ids { get; } = [];

    public async Task ConnectAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Ids.Add(new string('\u0001', 65_000) + i);
            _clients.Add(await node.ConnectAsync(Ids[^1]));
        }
    }

    public ValueTask DisposeAsync()
    {
        _clients.ForEach(c => c.Dispose());
        return ValueTask.CompletedTask;
    }
}
