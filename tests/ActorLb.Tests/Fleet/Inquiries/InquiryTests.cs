using System.Collections.Concurrent;
using ActorLb.Fleet.Inquiries;
using ActorLb.Testing;
using ActorLb.Tests.Fleet.Membership;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Fleet.Inquiries;

/// <summary>Every node of a fleet is asked, and nodes that don't answer are named.</summary>
[Trait("place", "beside")]
public sealed class InquiryTests
{
    [Fact]
    public async Task NodeByItself_Asked_AnswersAlone()
    {
        var inquiry = Make("n0", inFleet: false);
        Answer(inquiry, "n0");

        var answer = Assert.Single(await inquiry.AskAsync("echo", new byte[] { 1 }, null, default));
        Assert.Equal(("n0", null), (answer.Node, answer.Problem));
        Assert.Equal("n0 heard 1", Text(answer));
        Assert.Equal("n0 heard 1", Text(Assert.Single(await inquiry.AskAsync("echo", new byte[] { 1 }, "n0", default))));
        Assert.Equal("no node 'n9' in the cluster. Known: n0", Assert.Single(await inquiry.AskAsync("echo", default, "n9", default)).Problem);
        Assert.Equal("it doesn't know the question 'what' (another release?)", Assert.Single(await inquiry.AskAsync("what", default, null, default)).Problem);
        Assert.Equal("it broke", Assert.Single(await inquiry.AskAsync("fail", default, null, default)).Problem);
        Assert.Equal(InquiryLimits.MaxBody + 1, Assert.Single(await inquiry.AskAsync("huge", default, null, default)).Body.Length);
        await Assert.ThrowsAsync<ArgumentException>(() => inquiry.AskAsync("echo", new byte[InquiryLimits.MaxBody + 1], null, default));
        Assert.Throws<ArgumentException>(() => inquiry.Answer("echo", (_, _) => Task.FromResult<byte[]>([])));
    }

    [Fact]
    public async Task Node_ThatKnowsNobodyOfItsFleet_SaysThatThereAreOthers()
    {
        var inquiry = Make("n0", inFleet: true);
        Answer(inquiry, "n0");

        var answers = await inquiry.AskAsync("echo", default, null, default);
        Assert.Equal([("n0", null), (Inquiry.Others, "this node is not a member of its fleet yet and does not know them")], answers.Select(a => (a.Node, a.Problem)));
    }

    /// <summary>An answer that doesn't end in time still counts against the limit; further questions are refused.</summary>
    [Fact]
    public async Task Questions_MoreThanCanBeAnsweredAtOnce_AreRefused()
    {
        var inquiry = Make("n0", inFleet: false);
        var gate = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        inquiry.Answer("wait", (_, _) => gate.Task);

        Task<NodeAnswer[]>[] asked = [.. Enumerable.Range(0, 33).Select(_ => inquiry.AskAsync("wait", default, null, default))];
        Assert.Equal("it is busy answering other questions", Assert.Single(await await Task.WhenAny(asked)).Problem);
        gate.SetResult([7]);
        var all = await Task.WhenAll(asked);
        Assert.Equal(32, all.Count(a => a[0].Body is [7]));
    }

    /// <summary>Two nodes don't learn of each other's membership at the same moment.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Member_ThatDoesNotKnowTheAskerYet_IsAskedAgain()
    {
        var inquiries = new ConcurrentDictionary<int, Inquiry>();
        await using var nodes = new FleetNodes(2)
        {
            Parts = n => [inquiries.GetOrAdd(n, i =>
            {
                var inquiry = Make($"n{i}", inFleet: true);
                Answer(inquiry, $"n{i}");
                return inquiry;
            })],
        };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);
        var both = nodes[1].Standing.Members!;
        await Wait.UntilAsync(() => inquiries[1].Nodes.Count == 2, nodes.LogText);
        inquiries[1].SetMembers(both with { All = [.. both.All.Where(m => m.Id.Name == "n1")] });
        var asked = inquiries[0].AskAsync("echo", new byte[] { 5 }, "n1", default);
        // Nothing tells of an answer that does not come: for a few tries.
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.False(asked.IsCompleted);
        inquiries[1].SetMembers(both);
        Assert.Equal("n1 heard 5", Text(Assert.Single(await asked)));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Fleet_OfTwo_AnswersWhole_AndALostNodeIsNamed()
    {
        var inquiries = new ConcurrentDictionary<int, Inquiry>();
        await using var nodes = new FleetNodes(2)
        {
            Parts = n => [inquiries.GetOrAdd(n, i =>
            {
                var inquiry = Make($"n{i}", inFleet: true);
                Answer(inquiry, $"n{i}");
                return inquiry;
            })],
        };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);
        var first = inquiries[0];

        var both = await first.AskAsync("echo", new byte[] { 9 }, null, default);
        Assert.Equal([("n0", null, "n0 heard 9"), ("n1", null, "n1 heard 9")], both.Select(a => (a.Node, a.Problem, Text(a))));
        Assert.Equal("n1 heard 3", Text(Assert.Single(await first.AskAsync("echo", new byte[] { 3 }, "n1", default))));
        Assert.Equal("n0 heard 3", Text(Assert.Single(await inquiries[1].AskAsync("echo", new byte[] { 3 }, "n0", default))));
        // The largest question and answer fit into the fleet's frames.
        var large = Assert.Single(await first.AskAsync("same", new byte[InquiryLimits.MaxBody], "n1", default));
        Assert.Equal((null, InquiryLimits.MaxBody), (large.Problem, large.Body.Length));
        Assert.Contains("more than the 196608 that fit", Assert.Single(await first.AskAsync("huge", default, "n1", default)).Problem, StringComparison.Ordinal);
        Assert.Equal(["it broke", "it broke"], (await first.AskAsync("fail", default, null, default)).Select(a => a.Problem));

        // Frozen links: the node is named both while it is still a member and after its removal.
        await nodes.CutAsync(0, 1, isCut: true);
        var cut = (await first.AskAsync("echo", new byte[] { 1 }, null, default)).Single(a => a.Node == "n1");
        Assert.NotNull(cut.Problem);
        await Wait.UntilAsync(() => nodes[0].Standing.Members?.All.Length != 2, nodes.LogText);
        var after = await first.AskAsync("echo", new byte[] { 1 }, null, default);
        Assert.Equal("n0 heard 1", Text(after[0]));
        // The node that stays has removed the other; the removed one names the nodes it can't ask.
        var detached = await (nodes[0].Standing.IsDetached ? first : inquiries[1]).AskAsync("echo", new byte[] { 1 }, null, default);
        Assert.Equal(2, detached.Length);
        Assert.Single(detached, a => a.Problem is not null);
    }

    private static Inquiry Make(string name, bool inFleet) => new(name, inFleet, TimeProvider.System, NullLogger.Instance);

    private static void Answer(Inquiry inquiry, string name)
    {
        inquiry.Answer("echo", (request, _) => Task.FromResult(System.Text.Encoding.UTF8.GetBytes($"{name} heard {string.Join(" ", request.ToArray())}")));
        inquiry.Answer("same", (request, _) => Task.FromResult(request.ToArray()));
        inquiry.Answer("fail", (_, _) => throw new InvalidOperationException("it broke"));
        inquiry.Answer("huge", (_, _) => Task.FromResult(new byte[InquiryLimits.MaxBody + 1]));
    }

    private static string Text(NodeAnswer answer) => System.Text.Encoding.UTF8.GetString(answer.Body);
}
