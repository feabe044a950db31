using ActorLb.Sticky;
using static ActorLb.Tests.Sticky.Map.MapFleet;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>A client that no backend accepts leaves no entry, whichever node has its shard.</summary>
public sealed class RefusedClientTests : IDisposable
{
    private readonly MapFleet _fleet = new("lb-1", "lb-2", "lb-3");
    private readonly ulong _client;
    private readonly MapFleet.Node _asker;
    private readonly MapFleet.Node _owner;

    public RefusedClientTests()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        _client = Enumerable.Range(1, 100).Select(i => unchecked((ulong)i * 0x9E3779B97F4A7C15UL)).First(h => _fleet.OwnerOf(h) != _fleet["lb-1"]);
        _asker = _fleet["lb-1"];
        _owner = _fleet.OwnerOf(_client);
    }

    public void Dispose() => _fleet.Dispose();

    [Fact]
    public void Refused_TheOwnerForgetsIt_AndItsCopyToo()
    {
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Remote, true), _asker.Ask(_client, A));
        _fleet.Pass(1000);
        _asker.Map.Abandoned(_client, A, sinceMade: 1000);
        _fleet.Pass(300);
        Assert.Equal(BackendRef.None, _owner.Map.Peek(_client));
        Assert.Equal(BackendRef.None, _fleet.ReplicaOf(_client).Map.Peek(_client));
    }

    [Fact]
    public void Refused_WhoWasThereBefore_IsRemembered()
    {
        _asker.Map.Opened(_client, A, _asker.Ask(_client, A).Outcome);
        _fleet.Pass(1000);
        var stranger = _fleet["lb-1"].Ask(_client, B);
        Assert.Equal((A, false), (stranger.Backend, stranger.IsNew));
        _asker.Map.Abandoned(_client, A, sinceMade: -1);
        _fleet.Pass(300);
        Assert.Equal(A, _owner.Map.Peek(_client));
    }

    [Fact]
    public void Refused_WhileAnotherNodesSessionOfItIsAccepted_IsRemembered()
    {
        Assert.True(_asker.Ask(_client, A).IsNew);
        _fleet.Pass(1000);
        var other = _fleet[_asker.Id.Name == "lb-2" || _owner.Id.Name == "lb-2" ? "lb-3" : "lb-2"];
        Assert.False(other.Ask(_client, B).IsNew);
        other.Map.Opened(_client, A, StickyOutcome.Remote);
        _asker.Map.Abandoned(_client, A, sinceMade: 1000);
        _fleet.Pass(300);
        Assert.Equal(A, _owner.Map.Peek(_client));
    }

    [Fact]
    public void Refused_AfterItsSessionOnTheOwnerEnded_IsRemembered()
    {
        Assert.True(_asker.Ask(_client, A).IsNew);
        uint session = _owner.Map.Opened(_client, A, StickyOutcome.Local);
        _owner.Map.Closed(_client, A, session);
        _asker.Map.Abandoned(_client, A, sinceMade: 0);
        _fleet.Pass(300);
        Assert.Equal(A, _owner.Map.Peek(_client));
    }
}
