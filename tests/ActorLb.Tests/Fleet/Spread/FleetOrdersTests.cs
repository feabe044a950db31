using System.Text;
using ActorLb.Fleet.Spread;
using ActorLb.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class FleetOrdersTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-orders");
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CollectedLog _log = new();

    private string Folder => Path.Combine(_folder.FullName, "fleet");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Set_ByItself_HoldsAndIsKeptOverARestart()
    {
        var orders = Alone();
        Assert.Empty(orders.All(""));
        Assert.False(Directory.Exists(Folder));
        int changes = 0;
        orders.Changed += () => changes++;
        Assert.Equal(default, await orders.SetAsync("ban/x", Bytes("one")));
        Assert.Equal(default, await orders.SetAsync("ban/a", Bytes("two")));
        Assert.Equal(default, await orders.SetAsync("rebalance/p", Bytes("three")));
        Assert.Equal(3, changes);

        var again = Alone();
        Assert.Equal(["ban/a", "ban/x"], again.All("ban/").Select(o => o.Name));
        Assert.Equal("three", Text(again.Get("rebalance/p")));
        Assert.False(again.Get("rebalance/p")!.Value.IsLocal);

        Assert.Equal(default, await again.SetAsync("ban/x", default));
        Assert.Null(again.Get("ban/x"));
        Assert.Equal(["ban/a"], Alone().All("ban/").Select(o => o.Name));
    }

    [Fact]
    public async Task Set_WithoutAFolderToWrite_HoldsHereAndSaysWhy()
    {
        File.WriteAllText(Folder, "in the way");
        var orders = Alone();
        var outcome = await orders.SetAsync("ban/x", Bytes("one"));
        Assert.Null(outcome.Refused);
        Assert.Contains("cannot be written", outcome.Pending, StringComparison.Ordinal);
        Assert.True(orders.Get("ban/x") is { IsLocal: true });
    }

    [Fact]
    public void InFolder_WithADamagedFile_StartsWithoutItAndKeepsIt()
    {
        Directory.CreateDirectory(Folder);
        string path = RegisterFile.PathOf(Folder, SpreadState.OrdersKey);
        File.WriteAllText(path, "scribble");
        Assert.Empty(Alone().All(""));
        Assert.Equal("scribble", File.ReadAllText(path + ".damaged"));
        Assert.Contains(_log.Lines, l => l.Text.Contains("the orders in it are lost", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Set_PastItsBounds_IsRefusedAndTakingBackIsNot()
    {
        var orders = Alone();
        Assert.Contains("4096", (await orders.SetAsync("ban/long", new byte[FleetOrders.LongestValue + 1])).Refused, StringComparison.Ordinal);
        Assert.Contains("512", (await orders.SetAsync(new string('é', 257), Bytes("x"))).Refused, StringComparison.Ordinal);
        Assert.NotNull((await orders.SetAsync("", Bytes("x"))).Refused);
        int taken = 0;
        OrderOutcome outcome;
        byte[] value = Enumerable.Repeat((byte)1, FleetOrders.LongestValue).ToArray();
        while ((outcome = await orders.SetAsync($"ban/{taken}", value)).Refused is null) taken++;
        Assert.InRange(taken, 30, 32);
        Assert.Contains("limit is reached", outcome.Refused, StringComparison.Ordinal);
        Assert.Equal(default, await orders.SetAsync("ban/0", default));
        Assert.Equal(default, await orders.SetAsync("ban/again", value));
    }

    [Fact]
    public async Task Set_AfterManyWereTakenBack_HasRoom()
    {
        var orders = Alone();
        for (int i = 0; i < 600; i++)
        {
            string name = $"ban/{i}/".PadRight(FleetOrders.LongestName, 'x');
            Assert.Null((await orders.SetAsync(name, Bytes("x"))).Refused);
            Assert.Null((await orders.SetAsync(name, default)).Refused);
        }
        // All orders fit into one message.
        Assert.InRange(SpreadSerializer.Write(orders.ToRegisters()).Length, 0, 64 * 1024);
        Assert.Null((await orders.SetAsync("ban/last", new byte[FleetOrders.LongestValue])).Refused);
    }

    [Fact]
    public async Task Merge_OfTwoNodes_TheLaterCountsAndTakenBackStaysSo()
    {
        FleetOrders one = Detached(), other = Detached();
        await one.SetAsync("ban/x", Bytes("old"));
        other.Merge(one.ToRegisters());
        _time.Advance(TimeSpan.FromSeconds(1));
        await other.SetAsync("ban/x", default);
        int changes = 0;
        one.Changed += () => changes++;
        one.Merge(other.ToRegisters());
        one.Merge(other.ToRegisters());
        Assert.Equal(1, changes);
        Assert.Null(one.Get("ban/x"));
        other.Merge(one.ToRegisters());
        Assert.Null(other.Get("ban/x"));
        Assert.Equal(one.ToRegisters(), other.ToRegisters());
    }

    [Fact]
    public async Task Tombstones_AreDroppedAfterAWeek_AlikeOnAllNodes()
    {
        FleetOrders one = Detached(), other = Detached();
        await one.SetAsync("ban/x", Bytes("v"));
        await one.SetAsync("ban/x", default);
        other.Merge(one.ToRegisters());
        Assert.Contains("ban/x", one.ToRegisters().Items.Keys);
        _time.Advance(TimeSpan.FromDays(7) + TimeSpan.FromSeconds(1));
        await one.SetAsync("ban/y", Bytes("v"));
        Assert.DoesNotContain("ban/x", one.ToRegisters().Items.Keys);
        // A copy on another node must not restore it.
        one.Merge(other.ToRegisters());
        other.Merge(one.ToRegisters());
        Assert.Equal(["ban/y"], one.ToRegisters().Items.Keys);
        Assert.Equal(one.ToRegisters(), other.ToRegisters());
    }

    [Fact]
    public async Task Tombstones_AreBoundedInNumber_TheNewestStay()
    {
        var orders = Detached();
        for (int i = 0; i < 600; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(5));
            await orders.SetAsync($"ban/{i}", Bytes("v"));
            await orders.SetAsync($"ban/{i}", default);
        }
        Assert.Equal(500, orders.ToRegisters().Items.Count);
        Assert.Contains("ban/599", orders.ToRegisters().Items.Keys);
        Assert.DoesNotContain("ban/99", orders.ToRegisters().Items.Keys);
    }

    [Fact]
    public async Task Change_GetsWhatTheOrderIsNow_AndWithoutADifferenceTellsNobody()
    {
        var orders = Alone();
        await orders.ChangeAsync("rebalance/p", (old, stamp) =>
        {
            Assert.True(old.IsEmpty);
            Assert.True(stamp > 0);
            return Bytes("a");
        });
        int changes = 0;
        orders.Changed += () => changes++;
        await orders.ChangeAsync("rebalance/p", (old, _) => Bytes(Encoding.UTF8.GetString(old.Span)));
        Assert.Equal(0, changes);
        await orders.ChangeAsync("rebalance/p", (old, _) => Bytes(Encoding.UTF8.GetString(old.Span) + "b"));
        Assert.Equal("ab", Text(orders.Get("rebalance/p")));
    }

    [Fact]
    public async Task Read_AnUnreadableOrder_IsLeftOutAndSaidOnceEach()
    {
        var orders = Alone();
        await orders.SetAsync("ban/bad", Bytes("?"));
        await orders.SetAsync("ban/good", Bytes("fine"));
        string? Decode(FleetOrder order) => Text(order) is "fine" ? order.Name : null;
        Assert.Equal(["ban/good"], orders.Read("ban/", Decode));
        Assert.Equal(["ban/good"], orders.Read("ban/", Decode));
        Assert.Single(_log.Lines, l => l.Text.Contains("ban/bad", StringComparison.Ordinal));
        await orders.SetAsync("ban/bad", Bytes("??"));
        Assert.Equal(["ban/good"], orders.Read("ban/", Decode));
        Assert.Equal(2, _log.Lines.Count(l => l.Text.Contains("ban/bad", StringComparison.Ordinal)));
    }

    private static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string? Text(FleetOrder? order) => order is { } known ? Encoding.UTF8.GetString(known.Value.Span) : null;

    private FleetOrders Alone() => FleetOrders.InFolder(Folder, _time, _log);

    /// <summary>Orders of a fleet that is unreachable.</summary>
    private FleetOrders Detached() => new(new SpreadClock(_time), null, () => Task.FromResult<string?>("detached"), _log);
}
