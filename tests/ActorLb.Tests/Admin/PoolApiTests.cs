using System.Net;
using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

public sealed class PoolApiTests
{
    [Fact]
    public async Task List_TellsEveryPool()
    {
        await using var node = await AdminNode.StartAsync();
        var list = await node.GetAsync("pools", AdminJson.Wire.PoolList);
        Assert.Equal(["emqx", "plain"], list.Pools.Select(p => p.Name));
        Assert.Equal((2, 2, "sticky, placed by least-connections"), (list.Pools[0].Backends, list.Pools[0].Eligible, list.Pools[0].Balance));
    }

    [Theory]
    [InlineData("drain", AdminState.Drain, "draining")]
    [InlineData("down", AdminState.Down, "down")]
    public async Task Backend_TakenOutAndBack_HoldsForTheNode(string verb, AdminState state, string block)
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.Two.EndPoint.ToString();

        var taken = await node.SendAsync(HttpMethod.Post, $"backends/{id}/{verb}", null, AdminJson.Wire.BackendInfo);
        var backend = node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(id)!;
        Assert.Equal((verb, state), (taken.Admin, backend.AdminState));
        Assert.Equal([block], taken.Blocks);

        var back = await node.SendAsync(HttpMethod.Post, $"backends/{id}/up", null, AdminJson.Wire.BackendInfo);
        Assert.Equal(AdminState.Up, backend.AdminState);
        Assert.Empty(back.Blocks);
    }

    [Fact]
    public async Task Up_OfABackendThatIsOutByMaxFails_ItTakesClientsAgain()
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.Two.EndPoint.ToString();
        node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(id)!.ReportFailure(Environment.TickCount64);
        var before = await node.GetAsync("pools/emqx", AdminJson.Wire.PoolInfo);
        Assert.Equal(["max-fails"], before.Backends.Single(b => b.Blocks.Length > 0).Blocks);

        var after = await node.SendAsync(HttpMethod.Post, $"backends/{id}/up", null, AdminJson.Wire.BackendInfo);
        Assert.Empty(after.Blocks);
    }

    [Fact]
    public async Task Drain_WithADeadline_BecomesDown_UnlessTakenBack()
    {
        await using var node = await AdminNode.StartAsync();
        string one = node.One.EndPoint.ToString(), two = node.Two.EndPoint.ToString();
        var pool = node.Node.Pools.Single(p => p.Name == "emqx").Pool;
        using var watch = node.Node.Events.TryWatch(0)!;
        foreach (string id in new[] { one, two })
        {
            var drains = await node.SendAsync(HttpMethod.Post, $"backends/{id}/drain?pool=emqx", """{"deadline":1}""", AdminJson.Wire.BackendInfo);
            Assert.Equal("drain", drains.Admin);
            Assert.InRange(drains.DrainLeft!.Value, 0, 1);
        }
        Assert.Null((await node.SendAsync(HttpMethod.Post, $"backends/{one}/drain?pool=emqx", null, AdminJson.Wire.BackendInfo)).DrainLeft);
        using var patience = new CancellationTokenSource(Wait.Patience);
        string down = $"pool emqx, backend {two} has reached its drain deadline: it gets no clients, and the remaining ones are closed";
        var texts = new List<string>();
        while (!texts.Contains(down)) texts.Add((await watch.Events.ReadAsync(patience.Token)).Text);
        Assert.Equal((AdminState.Drain, AdminState.Down), (pool.Snapshot.Find(one)!.AdminState, pool.Snapshot.Find(two)!.AdminState));
        Assert.Contains($"pool emqx, backend {two} is drained by the operator: it gets no new clients", texts);
    }

    [Theory]
    [InlineData("""{"deadline":0}""")]
    [InlineData("""{"deadline":-1}""")]
    [InlineData("""{"deadline":1e300}""")]
    [InlineData("""{"deadline":"1m"}""")]
    [InlineData("""{"dedline":60}""")]
    public async Task Drain_BadDeadline_IsRefusedAndNothingChanges(string body)
    {
        await using var node = await AdminNode.StartAsync();
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, $"backends/{node.Two.EndPoint}/drain", body));
        Assert.Equal(AdminState.Up, node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(node.Two.EndPoint.ToString())!.AdminState);
    }

    [Fact]
    public async Task Drain_AtARate_IsShownPausedAndTakenBack()
    {
        await using var node = await AdminNode.StartAsync();
        string path = $"backends/{node.Two.EndPoint}";
        var nothing = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, $"{path}/pause"));
        Assert.Contains($"backend {node.Two.EndPoint} of pool emqx is not drained at a rate", nothing.Detail, StringComparison.Ordinal);
        using RawClient first = await node.ConnectAsync("c-1"), second = await node.ConnectAsync("c-2");
        var drains = await node.SendAsync(HttpMethod.Post, $"{path}/drain", """{"rate":0.5,"deadline":600}""", AdminJson.Wire.BackendInfo);
        Assert.Equal(("drain", "running", 0.5, 0, 1, 2.0), (drains.Admin, drains.Drain!.State, drains.Drain.Rate, drains.Drain.Closed, drains.Drain.Left, drains.Drain.Remaining));
        Assert.Equal("paused", (await node.SendAsync(HttpMethod.Post, $"{path}/pause", null, AdminJson.Wire.BackendInfo)).Drain!.State);
        var pool = await node.GetAsync("pools/emqx", AdminJson.Wire.PoolInfo);
        Assert.Equal(["paused"], pool.Backends.Where(b => b.Drain is not null).Select(b => b.Drain!.State));
        Assert.Null(pool.Rebalance);
        string metrics = await node.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Contains($"actorlb_drain_state{{pool=\"emqx\",backend=\"{node.Two.EndPoint}\",state=\"paused\"}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"actorlb_drain_rate{{pool=\"emqx\",backend=\"{node.Two.EndPoint}\"}} 0.5\n", metrics, StringComparison.Ordinal);
        Assert.Equal("running", (await node.SendAsync(HttpMethod.Post, $"{path}/resume", null, AdminJson.Wire.BackendInfo)).Drain!.State);

        // Without a rate it is a drain that closes nobody.
        var plain = await node.SendAsync(HttpMethod.Post, $"{path}/drain", null, AdminJson.Wire.BackendInfo);
        Assert.Equal(("drain", null, null), (plain.Admin, plain.Drain, plain.DrainLeft));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("0.001")]
    [InlineData("100001")]
    [InlineData("1e300")]
    [InlineData("1e999")]
    [InlineData("\"50/s\"")]
    public async Task Rate_Bad_IsRefusedAndNothingChanges(string rate)
    {
        await using var node = await AdminNode.StartAsync();
        foreach (string path in (string[])[$"backends/{node.Two.EndPoint}/drain", "pools/emqx/rebalance"])
        {
            var error = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, path, $$"""{"rate":{{rate}}}"""));
            Assert.Contains("rate", error.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(AdminState.Up, node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(node.Two.EndPoint.ToString())!.AdminState);
        Assert.Empty(node.Node.Orders.All(""));
    }

    [Fact]
    public async Task Rebalance_OfAPool_IsShownPausedAndStopped()
    {
        await using var node = await AdminNode.StartAsync();
        var one = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "pools/plain/rebalance", """{"rate":5}"""));
        Assert.Contains("pool plain has fewer than two backends", one.Detail, StringComparison.Ordinal);
        var none = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Delete, "pools/emqx/rebalance"));
        Assert.Contains("pool emqx is not being rebalanced", none.Detail, StringComparison.Ordinal);
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "pools/emxq/rebalance", """{"rate":5}"""));

        var begun = await node.SendAsync(HttpMethod.Post, "pools/emqx/rebalance", """{"rate":5}""", AdminJson.Wire.PoolInfo);
        Assert.Equal(("running", 5.0, 0), (begun.Rebalance!.State, begun.Rebalance.Rate, begun.Rebalance.Left));
        Assert.Equal("paused", (await node.SendAsync(HttpMethod.Post, "pools/emqx/rebalance/pause", null, AdminJson.Wire.PoolInfo)).Rebalance!.State);
        string metrics = await node.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Contains("actorlb_rebalance_state{pool=\"emqx\",state=\"paused\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Equal("running", (await node.SendAsync(HttpMethod.Post, "pools/emqx/rebalance/resume", null, AdminJson.Wire.PoolInfo)).Rebalance!.State);
        Assert.Null((await node.SendAsync(HttpMethod.Delete, "pools/emqx/rebalance", null, AdminJson.Wire.PoolInfo)).Rebalance);
    }

    [Fact]
    public async Task Weight_Changed_HoldsAndIsShown()
    {
        await using var node = await AdminNode.StartAsync();
        await node.SendAsync(HttpMethod.Put, $"backends/{node.Two.EndPoint}/weight", """{"weight":7}""", AdminJson.Wire.BackendInfo);
        var pool = await node.GetAsync("pools/emqx", AdminJson.Wire.PoolInfo);
        Assert.Equal([1, 7], pool.Backends.Select(b => b.Weight));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("7")]
    [InlineData("{}")]
    [InlineData("""{"weight":"7"}""")]
    [InlineData("""{"weight":null}""")]
    [InlineData("""{"weight":0}""")]
    [InlineData("""{"weight":65536}""")]
    [InlineData("""{"weight":99999999999}""")]
    [InlineData("""{"wieght":7}""")]
    [InlineData("""{"weight":7,"more":1}""")]
    [InlineData("""[{"weight":7}]""")]
    public async Task Weight_BadBody_IsRefusedAndNothingChanges(string body)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(
            HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Put, $"backends/{node.Two.EndPoint}/weight", body));
        Assert.Equal(AdminErrors.Invalid, error.Error);
        Assert.Contains("weight", error.Detail, StringComparison.Ordinal);
        Assert.Equal(1, node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(node.Two.EndPoint.ToString())!.Weight);
    }

    [Fact]
    public async Task Backend_InTwoPools_HasToBeNamedWithOne()
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.One.EndPoint.ToString();
        var error = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, $"backends/{id}/down"));
        Assert.Contains($"emqx/{id}, plain/{id}", error.Detail, StringComparison.Ordinal);

        await node.SendAsync(HttpMethod.Post, $"backends/{id}/down?pool=plain", null, AdminJson.Wire.BackendInfo);
        Assert.Equal(AdminState.Down, node.Node.Pools.Single(p => p.Name == "plain").Pool.Snapshot.Find(id)!.AdminState);
        Assert.Equal(AdminState.Up, node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(id)!.AdminState);
    }

    [Theory]
    [InlineData("GET", "pools/emxq", "did you mean 'emqx'? Known: emqx, plain")]
    [InlineData("POST", "backends/nobody:1/drain", "no backend 'nobody:1'")]
    [InlineData("POST", "backends/nobody:1/drain?pool=nowhere", "no pool 'nowhere'. Known: emqx, plain")]
    public async Task Name_Unknown_TellsWhatIsKnown(string method, string path, string detail)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(new HttpMethod(method), path));
        Assert.Equal(AdminErrors.Unknown, error.Error);
        Assert.Contains(detail, error.Detail, StringComparison.Ordinal);
    }
}
