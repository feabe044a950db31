namespace ActorLb.Server.Demo;

/// <summary>Where the clients are at one moment.</summary>
/// <param name="ByBroker">By each broker's own count.</param>
/// <param name="ByBalancer">The same as the balancer counts it.</param>
/// <param name="BrokerOf">The broker's index in the list, by client id.</param>
internal sealed record DemoCount(IReadOnlyList<int> ByBroker, IReadOnlyList<int> ByBalancer, IReadOnlyDictionary<string, int> BrokerOf)
{
    public bool Agrees => ByBroker.SequenceEqual(ByBalancer);

    /// <summary>No broker has more than one client more than another.</summary>
    public bool IsEven => ByBroker.Max() - ByBroker.Min() <= 1;

    public int Total => ByBroker.Sum();

    public static async Task<DemoCount> TakeAsync(IReadOnlyList<DemoBroker> brokers, DemoNode node)
    {
        var brokerOf = new Dictionary<string, int>(StringComparer.Ordinal);
        int[] counts = new int[brokers.Count];
        for (int i = 0; i < brokers.Count; i++)
        {
            foreach (string id in await brokers[i].ClientIdsAsync())
            {
                counts[i]++;
                brokerOf[id] = i;
            }
        }
        return new DemoCount(counts, [.. brokers.Select(node.ConnectionsTo)], brokerOf);
    }

    /// <summary>Largest first, such as 4/3/3.</summary>
    public override string ToString() => string.Join('/', ByBroker.OrderDescending());
}
