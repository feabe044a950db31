using System.Collections.Concurrent;
using System.Diagnostics;
using ActorLb.Hosting;

namespace ActorLb.SystemTests.Fleet;

/// <summary>
/// What concurrent clients were told of the brokers they belong to, with the time in which each answer came about. Checked for
/// linearizability, client by client: there has to be an order of all answers that agrees with the clock and in which a client's broker
/// changes only away from one that is dead, and never back.
/// </summary>
internal sealed class AssignmentHistory
{
    private readonly ConcurrentQueue<Answer> _answers = new();

    public int Count => _answers.Count;

    /// <summary>Asks once, and keeps the answer.</summary>
    public async Task AskAsync(FleetNodeProcess node, string client)
    {
        long start = Stopwatch.GetTimestamp();
        using var opened = await TestFleet.OpenAsync(node, client);
        Add(new Answer(client, node.Name, opened.Broker, start, Stopwatch.GetTimestamp()));
    }

    public void Add(Answer answer) => _answers.Enqueue(answer);

    /// <param name="diedAt">By broker: when it died, in time stamps.</param>
    /// <returns>What contradicts every order, one line each.</returns>
    public IReadOnlyList<string> Contradictions(IReadOnlyDictionary<int, long> diedAt)
    {
        var found = new List<string>();
        foreach (var client in _answers.GroupBy(a => a.Client))
        {
            // All answers with one broker are one interval, from the first that must have been before to the last that must be after:
            // brokers whose intervals overlap were left and come back to.
            var spans = client.GroupBy(a => a.Broker)
                .Select(b => (Broker: b.Key, FirstEnd: b.Min(a => a.End), LastStart: b.Max(a => a.Start)))
                .OrderBy(s => s.FirstEnd).ToArray();
            for (int i = 1; i < spans.Length; i++)
            {
                var (left, now) = (spans[i - 1], spans[i]);
                if (left.LastStart > now.FirstEnd)
                    found.Add($"{client.Key}: {now.Broker} was told, and {left.Broker} after it");
                if (!diedAt.TryGetValue(left.Broker, out long died) || died > now.FirstEnd)
                    found.Add($"{client.Key}: moved from {left.Broker}, which lived, to {now.Broker}");
            }
        }

        return found;
    }

    internal readonly record struct Answer(string Client, string Node, int Broker, long Start, long End);
}

public sealed class AssignmentHistoryTests
{
    private static readonly Dictionary<int, long> NobodyDied = [];

    [Theory]
    [InlineData("0:1-2 0:2-3 0:1-9", 0)]
    [InlineData("0:1-9 1:2-8", 1)]
    [InlineData("0:1-2 1:3-4 0:5-6", 2)]
    public void NobodyDied_EveryMoveIsAContradiction(string history, int contradictions) =>
        Assert.Equal(contradictions, Of(history).Contradictions(NobodyDied).Count);

    [Theory]
    [InlineData("0:1-2 0:4-12 1:11-13 1:14-15", 0)]
    [InlineData("0:1-2 1:11-13 0:14-15", 1)]
    [InlineData("0:1-2 1:4-5", 1)]
    [InlineData("0:1-2 1:11-12 2:13-14", 1)]
    public void BrokerDied_OneMoveAwayFromIt(string history, int contradictions) =>
        Assert.Equal(contradictions, Of(history).Contradictions(new Dictionary<int, long> { [0] = 10 }).Count);

    /// <param name="text">Broker, start and end of each answer.</param>
    private static AssignmentHistory Of(string text)
    {
        var history = new AssignmentHistory();
        foreach (string answer in text.Split(' '))
        {
            int[] numbers = answer.Split(':', '-').Select(int.Parse).ToArray();
            history.Add(new AssignmentHistory.Answer("c", "lb-1", numbers[0], numbers[1], numbers[2]));
        }

        return history;
    }
}
