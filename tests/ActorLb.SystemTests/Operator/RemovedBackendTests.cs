using System.Net;
using ActorLb.SystemTests.Fleet;

namespace ActorLb.SystemTests.Operator;

/// <summary>Brokers that leave the files and come back.</summary>
public sealed class RemovedBackendTests
{
    [Fact]
    public async Task Backend_OutOfTheFilesAndBack_GetsNoneOfItsClientsOfBefore()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var broker = fleet.Brokers[1].EndPoint;
        await fleet.Nodes[0].ChangeAsync(HttpMethod.Put, "sticky?client=client-1", new { backend = broker.ToString() });
        Assert.Equal(broker.ToString(), await PlaceAsync(fleet.Nodes[1]));

        // One node after the other, as operators do: for a while the second still has it.
        foreach (var node in fleet.Nodes)
        {
            await node.ReloadAsync(text => text.Replace($", \"{broker}\"", "", StringComparison.Ordinal));
        }
        foreach (var node in fleet.Nodes)
        {
            await node.ReloadAsync(text => text.Replace("backends = [", $"backends = [\"{broker}\", ", StringComparison.Ordinal));
        }
        foreach (var node in fleet.Nodes)
        {
            await node.Process.WaitUntilAsync(async () => (await node.GetAsync("pools/p")).GetProperty("backends").GetArrayLength() == 3);
            Assert.Null(await PlaceAsync(node));
        }
        // It takes clients as before.
        foreach (var node in fleet.Nodes)
        {
            await node.Process.WaitUntilAsync(async () => await node.TryChangeAsync(HttpMethod.Put, "sticky?client=client-2", new { backend = broker.ToString() }) is null);
        }
    }

    private static async Task<string?> PlaceAsync(FleetNodeProcess node)
    {
        using var answer = await node.Http.GetAsync(new Uri("api/v1/sticky?client=client-1", UriKind.Relative));
        if (!answer.IsSuccessStatusCode) return null;
        using var json = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("entries")[0].GetProperty("backend").GetString();
    }
}
