using System.Collections.Immutable;

namespace ActorLb.Fleet.Membership;

internal enum FormationStep { Wait, Join, Form, End }

/// <param name="Address">Whom to join.</param>
/// <param name="Id">Of the cluster to join.</param>
/// <param name="Reason">Why the fleet system has to end.</param>
internal readonly record struct FormationDecision(FormationStep Step, string Address = "", ClusterId Id = default, string Reason = "");

/// <summary>What a node knows of its own part when it decides.</summary>
/// <param name="Members">Numbers of the members' fleet systems, its own included; empty when it is none.</param>
internal readonly record struct FormationSelf(HelloState State, ClusterId Id, ImmutableArray<long> Members);

/// <summary>
/// When a node joins and when it forms a cluster. Nodes greet the seeds. One that is a member is joined. Where none is, the lowest
/// address of those that hear a majority of the seeds forms one; when a majority stays away, those that hear each other do so after a
/// while. Members go on greeting seeds that are not with them: of two clusters the smaller ends, then the younger, and its nodes join.
/// A pure state machine: time and messages come from outside.
/// </summary>
internal sealed class Formation(string address, long uid, TimeSpan formAfter, TimeSpan start)
{
    /// <summary>Greetings go out every 200 ms; a node that is being started takes longer for the first ones.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    /// <summary>Until all that hear a majority have heard so of each other.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);

    /// <summary>News of another cluster must last: members hear of each other's arrivals and removals one after the other.</summary>
    public static readonly TimeSpan Confirm = TimeSpan.FromMilliseconds(800);

    private readonly Dictionary<string, Heard> _heard = new(StringComparer.Ordinal);

    // By the number of who gives rise to it: when that began.
    private readonly Dictionary<long, TimeSpan> _doubts = [];

    private int _seeds;
    private bool _isSeed;
    private ImmutableHashSet<string> _targets = [];
    private TimeSpan? _readySince;
    private TimeSpan _silentSince = start;

    /// <summary>It hears enough of the seeds to form a cluster at once.</summary>
    public bool IsReady => _readySince is not null;

    /// <param name="targets">Addresses to greet, without this node's own.</param>
    /// <param name="unresolved">Names without an address.</param>
    /// <param name="isSeed">Whether this node is one of them.</param>
    public void SetSeeds(ImmutableHashSet<string> targets, int unresolved, bool isSeed)
    {
        _targets = targets;
        _isSeed = isSeed;
        _seeds = targets.Count + unresolved + (isSeed ? 1 : 0);
    }

    /// <param name="target">The seed that it answers for; null when it came of its own accord.</param>
    public void Hear(Hello hello, string? target, TimeSpan now)
    {
        if (hello.Uid == uid) return;
        string? known = target ?? (_heard.TryGetValue(hello.Address, out Heard? old) && old.Hello.Uid == hello.Uid ? old.Target : null);
        _heard[hello.Address] = new Heard(hello, known, now);
    }

    /// <summary>Whether one of those that were heard of lately is a member; null when nobody was.</summary>
    public bool? FindsCluster(TimeSpan now)
    {
        Heard[] fresh = [.. _heard.Values.Where(h => IsFresh(h, now))];
        return fresh.Length == 0 ? null : fresh.Any(h => h.Hello.State == HelloState.Member);
    }

    /// <summary>Whom this node has heard of lately: for its own greetings.</summary>
    public ImmutableArray<string> Hears(TimeSpan now) =>
        [.. _heard.Where(h => IsFresh(h.Value, now)).Select(h => h.Key).Take(Hello.MaxNodes)];

    public FormationDecision Decide(in FormationSelf self, TimeSpan now)
    {
        foreach ((string gone, Heard last) in _heard)
        {
            if (now - last.At <= Fresh + Fresh) continue;
            _heard.Remove(gone);
            _doubts.Remove(last.Hello.Uid);
        }
        return self.State == HelloState.Member ? DecideAsMember(self, now) : DecideAlone(now);
    }

    /// <summary>What is missing, for the log.</summary>
    public string Describe(TimeSpan now)
    {
        int others = _seeds - (_isSeed ? 1 : 0), answering = Answering(now).Count;
        if (others == 0) return "there is no other seed";
        string wanted = $"{(_seeds / 2) + 1} of {_seeds} seeds must be there to form a fleet";
        return answering == 0 ? $"none of the {others} other seeds answers" : $"{answering} of the {others} other seeds answer; {wanted}";
    }

    private FormationDecision DecideAlone(TimeSpan now)
    {
        Heard[] fresh = [.. _heard.Values.Where(h => IsFresh(h, now))];
        Heard? best = null;
        foreach (Heard other in fresh.Where(h => h.Hello.State == HelloState.Member))
        {
            if (best is null || IsBetter(other.Hello.Id, other.Hello.Members, best.Hello.Id, best.Hello.Members)) best = other;
        }
        if (best is not null) return new FormationDecision(FormationStep.Join, best.Hello.Address, best.Hello.Id);

        int present = Answering(now).Count + (_isSeed ? 1 : 0);
        bool isMajority = present * 2 > _seeds && present > (_isSeed ? 1 : 0);
        _readySince = isMajority ? _readySince ?? now : null;
        if (isMajority) _silentSince = now;
        bool isDue = isMajority ? now - _readySince >= Settle : now - _silentSince >= formAfter;
        // Someone is about to be a member: wait for it.
        if (!isDue || fresh.Any(h => h.Hello.State == HelloState.Joining)) return default;
        bool isLowest = fresh.All(h => !Hears(h) || h.Hello.IsReady != isMajority || IsBefore(address, h.Hello.Address))
            // Without a majority itself, it leaves forming to those that have one.
            && (isMajority || !fresh.Any(h => h.Hello.IsReady));
        return isLowest ? new FormationDecision(FormationStep.Form) : default;
    }

    private FormationDecision DecideAsMember(in FormationSelf self, TimeSpan now)
    {
        foreach (Heard other in _heard.Values.Where(h => IsFresh(h, now)))
        {
            if (Doubt(self, other.Hello) is not { } reason)
            {
                _doubts.Remove(other.Hello.Uid);
                continue;
            }
            TimeSpan since = _doubts.TryAdd(other.Hello.Uid, other.At) ? other.At : _doubts[other.Hello.Uid];
            if (other.At - since >= Confirm) return new FormationDecision(FormationStep.End, Reason: reason);
        }
        return default;
    }

    /// <summary>Why what a node says of its cluster means that this one has to end; null when it does not.</summary>
    private string? Doubt(in FormationSelf self, Hello other)
    {
        if (other.State != HelloState.Member) return null;
        bool weListThem = self.Members.Contains(other.Uid), theyListUs = other.Members.Contains(uid);
        if (weListThem) return theyListUs ? null : $"{other.Node} no longer counts this node as a member";
        return theyListUs || IsBetter(self.Id, self.Members, other.Id, other.Members) ? null
            : $"{other.Node} is in another cluster, of {other.Members.Length} members, and this one has {self.Members.Length}";
    }

    /// <summary>Larger, then older; the same answer on both sides.</summary>
    private static bool IsBetter(ClusterId id, ImmutableArray<long> members, ClusterId otherId, ImmutableArray<long> otherMembers)
    {
        if (members.Length != otherMembers.Length) return members.Length > otherMembers.Length;
        if (id != otherId) return id.FormedAt != otherId.FormedAt ? id.FormedAt < otherId.FormedAt : id.Former < otherId.Former;
        // Two halves of one cluster.
        return members.Length > 0 && members.Min() <= otherMembers.Min();
    }

    /// <summary>Seeds that answer and hear this node too: what goes one way alone forms no cluster.</summary>
    private HashSet<string> Answering(TimeSpan now) =>
        [.. _heard.Values.Where(h => h.Target is not null && _targets.Contains(h.Target) && IsFresh(h, now) && Hears(h)).Select(h => h.Hello.Address)];

    private bool Hears(Heard other) => other.Hello.Hears.Contains(address);

    private static bool IsFresh(Heard other, TimeSpan now) => now - other.At <= Fresh;

    private static bool IsBefore(string one, string other) => string.CompareOrdinal(one, other) < 0;

    private sealed record Heard(Hello Hello, string? Target, TimeSpan At);
}
