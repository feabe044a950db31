using ActorLb.Testing;

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

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in _all)
            await broker.DisposeAsync();
    }
}
