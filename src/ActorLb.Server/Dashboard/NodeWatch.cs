using ActorLb.Protocol.Admin;

namespace ActorLb.Server.Dashboard;

/// <summary>What is kept about one node while there are viewers.</summary>
internal sealed class NodeWatch(TimeProvider time)
{
    /// <summary>Number of answers that rates are averaged over, since single seconds fluctuate.</summary>
    private const int Kept = 4;

    private readonly Lock _gate = new();
    private readonly Queue<NodeStatistics> _answers = new();
    private NodeStatistics? _newest;
    private long _at;
    private string? _problem;

    public Task Asked { get; set; } = Task.CompletedTask;

    public void Set(NodeStatistics? answer, string? problem)
    {
        lock (_gate)
        {
            _problem = problem;
            if (answer is null) return;
            if (_newest is not null && _newest.StartedAt != answer.StartedAt) _answers.Clear();
            if (_answers.Count == Kept) _answers.Dequeue();
            _answers.Enqueue(answer);
            _newest = answer;
            _at = time.GetTimestamp();
        }
    }

    public NodeSample Sample(ClusterMember member)
    {
        lock (_gate)
        {
            return new NodeSample(
                member, _newest, _answers.TryPeek(out var first) && first != _newest ? first : null,
                _newest is null ? null : time.GetElapsedTime(_at), _problem);
        }
    }
}
