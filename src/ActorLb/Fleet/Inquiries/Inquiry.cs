using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Fleet.Membership;
using ActorLb.Hosting;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Inquiries;

/// <param name="Node">The node's name, or <see cref="Inquiry.Others"/>.</param>
/// <param name="Body">Empty if there is a problem.</param>
/// <param name="Problem">Why the node did not answer; null if it did.</param>
internal sealed record NodeAnswer(string Node, byte[] Body, string? Problem);

/// <summary>
/// Asks every node of the fleet, including this one, a named question. Each answers within <see cref="Patience"/>, or the result
/// says why it did not: no node is silently left out. A node by itself asks only itself. Concurrent questions are limited at both
/// ends.
/// </summary>
/// <param name="inFleet">This node has seeds, so other nodes exist even while it is not a member.</param>
internal sealed partial class Inquiry(string self, bool inFleet, TimeProvider time, ILogger logger) : IFleetPart
{
    /// <summary>Stands for the other nodes of a fleet while this node doesn't know their names.</summary>
    public const string Others = "(others)";

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>For a member whose heartbeats are missing: it may be back, but isn't worth the full wait.</summary>
    private static readonly TimeSpan UnheardPatience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan AgainAfter = TimeSpan.FromMilliseconds(100);

    /// <summary>The most questions waiting for other members' answers.</summary>
    private const int MaxWaiting = 1024;

    /// <summary>The most questions being answered, each with up to <see cref="InquiryLimits.MaxBody"/>.</summary>
    private const int MaxAnswering = 32;

    private readonly ConcurrentDictionary<string, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>>> _answers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<long, Waiting> _waiting = new();
    private readonly Lock _gate = new();
    private IActorRef? _actor;
    private FleetSystem? _fleet;
    private volatile ClusterMembers? _members;
    // Names from the last membership, so that a detached node can list the nodes it can't ask.
    private volatile IReadOnlyList<string> _lastNames = [];
    private long _lastId = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
    private int _answering;

    private sealed record Waiting(ClusterMember Member, TaskCompletionSource<InquiryAnswer> Answer);

    public string Configuration => """
        akka.actor {
          serializers.actorlb-inquiry = "ActorLb.Fleet.Inquiries.InquirySerializer, ActorLb.Engine"
          serialization-identifiers { "ActorLb.Fleet.Inquiries.InquirySerializer, ActorLb.Engine" = 103 }
          serialization-bindings {
            "ActorLb.Fleet.Inquiries.InquiryQuestion, ActorLb.Engine" = actorlb-inquiry
            "ActorLb.Fleet.Inquiries.InquiryAnswer, ActorLb.Engine" = actorlb-inquiry
          }
        }
        """;

    /// <summary>The names of this node and the other members, sorted; while detached, of the last membership.</summary>
    public IReadOnlyList<string> Nodes =>
        [.. (_members is { } members ? members.All.Select(m => m.Id.Name) : _lastNames).Append(self).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The answer for nodes whose names this one doesn't know yet; null if it knows them.</summary>
    public NodeAnswer? Unknown => inFleet && _members is null && _lastNames.Count == 0
        ? new NodeAnswer(Others, [], "this node is not a member of its fleet yet and does not know them") : null;

    /// <summary>Whether <see cref="AskAsync"/> can ask this node alone.</summary>
    public bool Knows(string node) => Nodes.Contains(node, StringComparer.Ordinal);

    /// <summary>
    /// Registers this node's answer to a question. It runs on the thread pool with what remains of the asker's patience, and may
    /// return at most <see cref="InquiryLimits.MaxBody"/> bytes to other nodes. The messages of its exceptions are sent to the
    /// asker.
    /// </summary>
    /// <returns>Dispose to unregister the answer.</returns>
    public IDisposable Answer(string question, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> answer)
    {
        if (Encoding.UTF8.GetByteCount(question) > InquiryLimits.MaxName) throw new ArgumentException($"'{question}' is too long", nameof(question));
        if (!_answers.TryAdd(question, answer)) throw new ArgumentException($"'{question}' is answered already", nameof(question));
        return new Answering(_answers, question);
    }

    /// <param name="node">The only node to ask; null for all.</param>
    /// <returns>One answer for each node, sorted by name.</returns>
    /// <exception cref="ArgumentException">The request exceeds <see cref="InquiryLimits.MaxBody"/> bytes.</exception>
    public async Task<NodeAnswer[]> AskAsync(string question, ReadOnlyMemory<byte> request, string? node, CancellationToken cancel)
    {
        if (request.Length > InquiryLimits.MaxBody)
        {
            throw new ArgumentException($"a question of {request.Length} bytes is too long: a node takes {InquiryLimits.MaxBody}", nameof(request));
        }
        var members = _members;
        var asked = new List<Task<NodeAnswer>>();
        foreach (string name in Nodes)
        {
            if (node is null || name == node) asked.Add(AskOneAsync(name, members, question, request, cancel));
        }
        if (node is null && Unknown is { } unknown) asked.Add(Task.FromResult(unknown));
        if (asked.Count == 0) return [new NodeAnswer(node!, [], $"no node '{node}' in the cluster. Known: {string.Join(", ", Nodes)}")];
        return await Task.WhenAll(asked).ConfigureAwait(false);
    }

    public void Start(FleetSystem system)
    {
        lock (_gate)
        {
            _fleet = system;
            _actor = system.System.ActorOf(InquiryActor.Props(this), InquiryActor.Name);
        }
    }

    public void SetMembers(ClusterMembers? members)
    {
        _members = members;
        if (members is not null) _lastNames = [.. members.All.Select(m => m.Id.Name)];
        foreach ((long id, var waiting) in _waiting)
        {
            if (members?.TryFind(waiting.Member.Id) is not null) continue;
            waiting.Answer.TrySetResult(new InquiryAnswer(
                id, members is null ? "this node became detached from the fleet" : "it is no longer a member of the fleet", []));
        }
    }

    /// <summary>On the actor's thread.</summary>
    public void OnQuestion(InquiryQuestion question, IActorRef asker, IActorRef own)
    {
        if (!IsMember(asker.Path.Address))
        {
            asker.Tell(new InquiryAnswer(question.Id, "it does not know this node as a member of the fleet yet", []) { AskAgain = true }, own);
            return;
        }
        _ = ReplyAsync(question, asker, own);
    }

    private async Task ReplyAsync(InquiryQuestion question, IActorRef asker, IActorRef own)
    {
        var patience = TimeSpan.FromMilliseconds(Math.Clamp(question.Milliseconds, 1, Patience.TotalMilliseconds));
        var answer = await AnswerAsync(question.Question, question.Body, patience, CancellationToken.None).ConfigureAwait(false);
        if (answer.Body.Length > InquiryLimits.MaxBody)
        {
            answer = new NodeAnswer(self, [], $"its answer has {answer.Body.Length} bytes, more than the {InquiryLimits.MaxBody} that fit into a message");
        }
        asker.Tell(new InquiryAnswer(question.Id, answer.Problem, answer.Body), own);
    }

    /// <summary>On the actor's thread.</summary>
    public void OnAnswer(InquiryAnswer answer, Address from)
    {
        if (_waiting.TryGetValue(answer.Id, out var waiting) && waiting.Member.Address.Equals(from)) waiting.Answer.TrySetResult(answer);
    }

    private bool IsMember(Address address)
    {
        foreach (var member in _members?.All ?? [])
        {
            if (member.Address.Equals(address)) return true;
        }
        return false;
    }

    private async Task<NodeAnswer> AskOneAsync(
        string name, ClusterMembers? members, string question, ReadOnlyMemory<byte> request, CancellationToken cancel)
    {
        if (name == self) return await AnswerAsync(question, request, Patience, cancel).ConfigureAwait(false);
        // A restarted node may be listed twice for a moment; prefer the one that is heard.
        var member = members?.All.Where(m => m.Id.Name == name).OrderByDescending(m => m.IsHeard).FirstOrDefault();
        (var fleet, var own) = Current();
        if (member is null || fleet is null || own is null) return new NodeAnswer(name, [], "this node is detached from the fleet and cannot ask it");
        if (_waiting.Count >= MaxWaiting) return new NodeAnswer(name, [], "too many questions wait for an answer");
        return await AskMemberAsync(member, fleet, own, question, request, cancel).ConfigureAwait(false);
    }

    private async Task<NodeAnswer> AskMemberAsync(
        ClusterMember member, FleetSystem fleet, IActorRef own, string question, ReadOnlyMemory<byte> request, CancellationToken cancel)
    {
        var there = ((ExtendedActorSystem)fleet.System).Provider.ResolveActorRef(new RootActorPath(member.Address) / "user" / InquiryActor.Name);
        var patience = member.IsHeard ? Patience : UnheardPatience;
        long start = time.GetTimestamp();
        while (true)
        {
            var left = patience - time.GetElapsedTime(start);
            var answer = left > TimeSpan.Zero
                ? await AskOnceAsync(member, there, own, id => new InquiryQuestion(id, question, (int)left.TotalMilliseconds, request), left, cancel).ConfigureAwait(false)
                : null;
            if (answer is null)
            {
                return new NodeAnswer(member.Id.Name, [], member.IsHeard ? $"it has not answered within {patience.TotalSeconds} s" : "it is unreachable");
            }
            if (!answer.AskAgain || left < AgainAfter) return new NodeAnswer(member.Id.Name, answer.Body, answer.Problem);
            await Task.Delay(AgainAfter, time, cancel).ConfigureAwait(false);
        }
    }

    /// <returns>Null if none arrived in time.</returns>
    private async Task<InquiryAnswer?> AskOnceAsync(
        ClusterMember member, IActorRef there, IActorRef own, Func<long, InquiryQuestion> question, TimeSpan patience, CancellationToken cancel)
    {
        long id = Interlocked.Increment(ref _lastId);
        var waiting = new Waiting(member, new TaskCompletionSource<InquiryAnswer>(TaskCreationOptions.RunContinuationsAsynchronously));
        _waiting[id] = waiting;
        try
        {
            // Check after registering: a member lost before that would not have completed this call.
            if (_members?.TryFind(member.Id) is null) return new InquiryAnswer(id, "it is no longer a member of the fleet", []);
            there.Tell(question(id), own);
            return await waiting.Answer.Task.WaitAsync(patience, time, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    private (FleetSystem? Fleet, IActorRef? Actor) Current()
    {
        lock (_gate) return (_fleet, _actor);
    }

    /// <summary>
    /// Answers on this node. Throws only for <paramref name="cancel"/>; other failures are returned to the asker.
    /// </summary>
    private async Task<NodeAnswer> AnswerAsync(string question, ReadOnlyMemory<byte> request, TimeSpan patience, CancellationToken cancel)
    {
        if (!_answers.TryGetValue(question, out var answer))
        {
            return new NodeAnswer(self, [], $"it doesn't know the question '{question}' (another release?)");
        }
        using var limit = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            byte[] body = await RunAsync(answer, request, either.Token).ConfigureAwait(false);
            return new NodeAnswer(self, body, null);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new NodeAnswer(self, [], $"it has not answered within {patience.TotalSeconds} s");
        }
        catch (BusyException)
        {
            return new NodeAnswer(self, [], "it is busy answering other questions");
        }
        catch (Exception e) when (e is not OutOfMemoryException and not OperationCanceledException)
        {
            Log.Failed(logger, question, e);
            return new NodeAnswer(self, [], Shorten(e.Message));
        }
    }

    /// <summary>An answer that outlives its time still counts as running, so that the limit holds.</summary>
    private async Task<byte[]> RunAsync(
        Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> answer, ReadOnlyMemory<byte> request, CancellationToken limit)
    {
        if (Interlocked.Increment(ref _answering) > MaxAnswering)
        {
            Interlocked.Decrement(ref _answering);
            throw new BusyException();
        }
        var work = Task.Run(() => answer(request, limit), CancellationToken.None);
        _ = work.ContinueWith(
            _ => Interlocked.Decrement(ref _answering), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return await work.WaitAsync(limit).ConfigureAwait(false);
    }

    private static string Shorten(string text) => text.Length <= InquiryLimits.MaxProblem / 3 ? text : text[..(InquiryLimits.MaxProblem / 3)];

    private sealed class BusyException : Exception;

    private static partial class Log
    {
        [LoggerMessage(3521, LogLevel.Warning, "the inquiry '{Question}' could not be answered")]
        public static partial void Failed(ILogger logger, string question, Exception exception);
    }

    private sealed class Answering(ConcurrentDictionary<string, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>>> answers, string question) : IDisposable
    {
        public void Dispose() => answers.TryRemove(question, out _);
    }
}
