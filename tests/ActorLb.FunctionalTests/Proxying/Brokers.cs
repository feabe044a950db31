using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>Brokers that accept whoever comes, and how many came to each.</summary>
internal sealed class Brokers(int count) : IAsyncDisposable
{
    private readonly FakeBroker[] _all = [.. Enumerable.Range(0, count).Select(_ => FakeBroker.Start(FakeBroker.Accepting))];

    public IReadOnlyList<FakeBroker> All => _all;

    public int[] Accepted => [.. _all.Select(b => b.Accepted)];

    public FakeBroker this[int index] => _all[index];

    /// <summary>A pool's <c>backends</c>, each with its own settings.</summary>
    public string Backends(params string[] settings) =>
        $"backends = [{string.Join(", ", _all.Zip(settings, (b, s) => $"{{ address = \"{b.EndPoint}\", {s} }}"))}]\n";

    /// <summary>Which broker each of so many clients comes to, one after another.</summary>
    public async Task<int[]> HomesAsync(TestNode node, int clients)
    {
        int[] homes = new int[clients];
        for (int i = 0; i < clients; i++)
        {
            int[] before = Accepted;
            using var client = await node.OpenAsync($"client-{i}");
            homes[i] = Array.FindIndex(Accepted.Zip(before, (now, then) => now - then).ToArray(), n => n == 1);
        }

        return homes;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in _all)
            await broker.DisposeAsync();
    }
}

/// <summary>Clients that stay until disposal.</summary>
internal sealed record Clients(IReadOnlyList<RawClient> All) : IDisposable
{
    public static Task<Clients> OpenAsync(TestNode node, int count, string prefix = "client") =>
        OpenAsync(node, count, i => $"{prefix}-{i}");

    public static async Task<Clients> OpenAsync(TestNode node, int count, Func<int, string> ids)
    {
        var clients = new List<RawClient>();
        for (int i = 0; i < count; i++)
            clients.Add(await node.OpenAsync(ids(i)));
        return new Clients(clients);
    }

    public void Dispose()
    {
        foreach (var client in All)
            client.Dispose();
    }
}
