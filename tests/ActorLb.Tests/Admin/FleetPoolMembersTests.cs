using System.Net;
using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Tests.Fleet.Membership;

namespace ActorLb.Tests.Admin;

/// <summary>What is added through one node is there on all of them.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class FleetPoolMembersTests
{
    private const string Id = "127.0.0.1:9";

    [Fact]
    public async Task Backend_AddedThroughOneNode_IsOnAll_UntilAnyRemovesItOrTheFilesHaveIt()
    {
        var fleet = new AdminFleet { More = """pools.shared { balance = sticky, backends = ["127.0.0.1:8"], health.probe = none }""" };
        await using (fleet)
        {
            await fleet.InitializeAsync();
            var own = await AdminNode.ErrorAsync(
                HttpStatusCode.Conflict, await fleet.One.SendAsync(HttpMethod.Post, "pools/shared/backends", $$"""{"address":"{{fleet.Two.Mqtt}}"}"""));
            Assert.Contains("is node lb-2 itself (listener mqtt)", own.Detail, StringComparison.Ordinal);

            var added = await fleet.One.SendAsync(
                HttpMethod.Post, "pools/shared/backends", $$"""{"address":"{{Id}}","weight":4}""", AdminJson.Wire.BackendAdded);
            Assert.Equal((true, false, 4), (added.Backend.Added, added.Backend.Local, added.Backend.Weight));
            await Wait.UntilAsync(() => Of(fleet.Two) is { Options: { Added: true, Weight: 4 } }, () => "lb-2 has no such backend");
            // Both call it the same in the map.
            await Wait.UntilAsync(() => Of(fleet.One)!.Reference != 0 && Of(fleet.One)!.Reference == Of(fleet.Two)!.Reference, () => "it has no slot");
            await fleet.One.SendAsync(HttpMethod.Put, $"backends/{Id}/weight", """{"weight":9}""", AdminJson.Wire.BackendInfo);

            // One file has it: there it holds, and the other node keeps what it was given.
            string file = await File.ReadAllTextAsync(fleet.One.Configuration);
            string with = file.Replace("backends = [\"127.0.0.1:8\"]", $"backends = [\"127.0.0.1:8\", \"{Id}\"]", StringComparison.Ordinal);
            await File.WriteAllTextAsync(fleet.One.Configuration, with);
            await fleet.One.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            Assert.False(Of(fleet.One)!.Options.Added);
            Assert.True(Of(fleet.Two)!.Options.Added);
            Assert.Single(fleet.Two.Node.Orders.All("added/"));
            await File.WriteAllTextAsync(fleet.One.Configuration, file);
            await fleet.One.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            Assert.True(Of(fleet.One)!.Options.Added);

            // Taken out through the other node, everywhere, with what operators wanted of it.
            await fleet.Two.SendAsync(HttpMethod.Delete, $"backends/{Id}", null, AdminJson.Wire.Done);
            Assert.Null(Of(fleet.Two));
            await Wait.UntilAsync(() => Of(fleet.One) is null, () => "lb-1 has it still");
            added = await fleet.Two.SendAsync(HttpMethod.Post, "pools/shared/backends", $$"""{"address":"{{Id}}","weight":4}""", AdminJson.Wire.BackendAdded);
            await Wait.UntilAsync(() => Of(fleet.One) is { Weight: 4 } && Of(fleet.Two) is { Weight: 4 }, () => $"weights {Of(fleet.One)?.Weight} {Of(fleet.Two)?.Weight}");

            // The file of every node has it: the order is not needed any more.
            foreach (var node in new[] { fleet.One, fleet.Two })
            {
                string text = await File.ReadAllTextAsync(node.Configuration);
                await File.WriteAllTextAsync(node.Configuration, text.Replace("backends = [\"127.0.0.1:8\"]", $"backends = [\"127.0.0.1:8\", \"{Id}\"]", StringComparison.Ordinal));
                await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            }
            await Wait.UntilAsync(() => fleet.One.Node.Orders.All("added/").IsEmpty && fleet.Two.Node.Orders.All("added/").IsEmpty, () => "the order is there still");
            Assert.All(new[] { fleet.One, fleet.Two }, n => Assert.False(Of(n)!.Options.Added));
        }
    }

    private static Backend? Of(AdminNode node) => node.Node.Pools.Single(p => p.Name == "shared").Pool.Snapshot.Find(Id);
}
