using System.Text;
using ActorLb.Proxying.Limits;
using ActorLb.Testing;

namespace ActorLb.Tests.Proxying.Limits;

/// <summary>Whoever connects most often is found among any number of others, in a fixed space.</summary>
public sealed class FrequentClientsTests
{
    [Fact]
    public void Clients_ThatConnectOften_AreFoundAmongManyThatDoNot()
    {
        var frequent = new FrequentClients();
        int unique = 0;
        for (int round = 0; round < 200; round++)
        {
            Count("fighter", round);
            if (round % 2 == 0) Count("half", round);
            for (int i = 0; i < 100; i++) Count($"once-{unique++}", round);
        }
        var counts = Read(frequent, 1000);
        Assert.True(counts.Count <= 256, $"{counts.Count} kept");
        // At least so many: what was there before may have pushed it out for a moment, never given it what is not its own.
        Assert.InRange(counts["fighter"], 150, 200);
        Assert.True(counts["fighter"] == counts.Values.Max());

        void Count(string id, long now) => frequent.Count(Encoding.UTF8.GetBytes(id), now);
    }

    [Fact]
    public void Fewer_ThanAreKept_AreCountedExactly_UntilTheyAreOld()
    {
        var frequent = new FrequentClients();
        byte[] a = "a"u8.ToArray(), b = "b"u8.ToArray();
        for (int i = 0; i < 3; i++) frequent.Count(a, 10);
        frequent.Count(b, 10);
        frequent.Count([], 10);
        Assert.Equal(new Dictionary<string, long> { ["a"] = 3, ["b"] = 1 }, Read(frequent, 20));
        frequent.Count(a, FrequentClients.Period + 10);
        Assert.Equal(new Dictionary<string, long> { ["a"] = 4, ["b"] = 1 }, Read(frequent, FrequentClients.Period + 20));
        Assert.Equal(new Dictionary<string, long> { ["a"] = 1 }, Read(frequent, (2 * FrequentClients.Period) + 30));
        Assert.Empty(Read(frequent, 10 * FrequentClients.Period));
    }

    [Fact]
    public void LongId_IsKeptByItsBeginning()
    {
        var frequent = new FrequentClients();
        byte[] one = new byte[60_000], other = new byte[60_000];
        Array.Fill(one, (byte)'x');
        Array.Fill(other, (byte)'x');
        other[^1] = (byte)'y';
        frequent.Count(one, 0);
        frequent.Count(other, 0);
        Assert.Equal([1024, 1024], frequent.Read(1).Select(c => c.ClientId.Length));
    }

    [Fact]
    public void Counting_AllocatesNothing()
    {
        var frequent = new FrequentClients();
        byte[][] ids = [.. Enumerable.Range(0, 2000).Select(i => Encoding.UTF8.GetBytes($"client-{i}"))];
        foreach (byte[] id in ids) frequent.Count(id, 0);
        Assert.Equal(0, Allocations.Least(() => { foreach (byte[] id in ids) frequent.Count(id, 0); }));
    }

    private static Dictionary<string, long> Read(FrequentClients clients, long now) =>
        clients.Read(now).ToDictionary(c => Encoding.UTF8.GetString(c.ClientId), c => c.Connects);
}
