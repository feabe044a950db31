using System.Collections.Immutable;

namespace ActorLb.Fleet.Membership;

internal enum FormationStep { Wait, Join, Form, End }

/// <param name="Address">The address to join.</param>
/// <param name="Id">The cluster to join.</param>
/// <param name="Reason">Why the fleet system must end.</param>
internal readonly record struct FormationDecision(FormationStep Step, string Address = "", ClusterId Id = default, string Reason = "");

/// <summary>A node's own state when it decides.</summary>
/// <param name="Members">Numbers of all members' fleet systems including its own; empty if it is not a member.</param>
internal readonly record struct FormationSelf(HelloState State, ClusterId Id, ImmutableArray<long> Members);

/// <summary>
/// Decides when a node joins or forms a cluster. Nodes greet the seeds and join one that is a member. If none is, the node with
/// the lowest address among those that hear a majority of the seeds forms one; if a majority stays away, those that hear each
/// other do so after <c>form-after</c>. Members keep greeting seeds outside their cluster: of two clusters the smaller (if equal,
/// the younger) ends, and its nodes join the other. A pure state machine: time and messages come from outside.
/// </summary>
internal sealed class Formation(string address, long uid, TimeSpan formAfter, TimeSpan start)
{
    /// <summary>
    /// How long a greeting counts. Greetings are sent every 200 ms, but a starting node takes longer for the first ones.
    /// </summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    /// <summary>Delay until all nodes that hear a majority know this of each other.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How long signs of another cluster must persist, because members learn of joins and removals at different times.
    /// </summary>
    public static readonly TimeSpan Confirm = TimeSpan.FromMilliseconds(800);

    private readonly Dictionary<string, Heard> _heard = new(StringComparer.Ordinal);

    // When a node's greetings first gave rise to doubt, by the number of its fleet system.
    private readonly Dictionary<long, TimeSpan> _doubts = [];

    private int _seeds;
    private bool _isSeed;
    private ImmutableHashSet<string> _targets = [];
    private TimeSpan? _readySince;
    private TimeSpan _silentSince = start;

    /// <summary>The node hears enough seeds to form a cluster at once.</summary>
    public bool IsReady => _readySince is not null;

    /// <param name="targets">Addresses to greet, excluding this node's own.</param>
    /// <param name="unresolved">Number of names that did not resolve.</param>
    /// <param name="isSeed">Whether this node is one of them.</param>
    public void SetSeeds(ImmutableHashSet<string> targets, int unresolved, bool isSeed)
    {
        _targets = targets;
        _isSeed = isSeed;
        _seeds = targets.Count + unresolved + (isSeed ? 1 : 0);
    }

    /// <param name="target">The seed address that it answers for; null if it is not an answer.</param>
    public void Hear(Hello hello, string? target, TimeSpan now)
    {
        if (hello.Uid == uid) return;
        string? known = target ?? (_heard.TryGetValue(hello.Address, out var old) && old.Hello.Uid == hello.Uid ? old.Target : null);
        _heard[hello.Address] = new Heard(hello, known, now);
    }

    /// <summary>Whether one of the nodes heard recently is a member; null if none was heard.</summary>
    public bool? FindsCluster(TimeSpan now)
    {
        Heard[] fresh = [.. _heard.Values.Where(h => IsFresh(h, now))];
        return fresh.Length == 0 ? null : fresh.Any(h => h.Hello.State == HelloState.Member);
    }

    /// <summary>The nodes heard recently, for this node's own greetings.</summary>
    public ImmutableArray<string> Hears(TimeSpan now) =>
        [.. _heard.Where(h => IsFresh(h.Value, now)).Select(h => h.Key).Take(Hello.MaxNodes)];

    public FormationDecision Decide(in FormationSelf self, TimeSpan now)
    {
        foreach ((string gone, var last) in _heard)
        {
            if (now - last.At <= Fresh + Fresh) continue;
            _heard.Remove(gone);
            _doubts.Remove(last.Hello.Uid);
        }
        return self.State == HelloState.Member ? DecideAsMember(self, now) : DecideAlone(now);
    }

    /// <summary>Describes what is missing, for the log.</summary>
    public string Describe(TimeSpan now)
    {
        int others = _seeds - (_isSeed ? 1 : 0), answering = Answering(now).Count;
        if (others == 0) return "there is no other seed";
        string wanted = $"{(_seeds / 2) + 1} of {_seeds} seeds are needed to form a fleet";
        return answering == 0 ? $"none of the {others} other seeds answers" : $"{answering} of the {others} other seeds answer; {wanted}";
    }

    private FormationDecision DecideAlone(TimeSpan now)
    {
        Heard[] fresh = [.. _heard.Values.Where(h => IsFresh(h, now))];
        Heard? best = null;
        foreach (var other in fresh.Where(h => h.Hello.State == HelloState.Member))
        {
            if (best is null || IsBetter(other.Hello.Id, other.Hello.Members, best.Hello.Id, best.Hello.Members)) best = other;
        }
        if (best is not null) return new FormationDecision(FormationStep.Join, best.Hello.Address, best.Hello.Id);

        int present = Answering(now).Count + (_isSeed ? 1 : 0);
        bool isMajority = present * 2 > _seeds && present > (_isSeed ? 1 : 0);
        _readySince = isMajority ? _readySince ?? now : null;
        if (isMajority) _silentSince = now;
        bool isDue = isMajority ? now - _readySince >= Settle : now - _silentSince >= formAfter;
        // Another node is about to become a member: wait for it.
        if (!isDue || fresh.Any(h => h.Hello.State == HelloState.Joining)) return default;
        bool isLowest = fresh.All(h => !Hears(h) || h.Hello.IsReady != isMajority || IsBefore(address, h.Hello.Address))
            // Without a majority, leave it to a node that has one.
            && (isMajority || !fresh.Any(h => h.Hello.IsReady));
        return isLowest ? new FormationDecision(FormationStep.Form) : default;
    }

    private FormationDecision DecideAsMember(in FormationSelf self, TimeSpan now)
    {
        foreach (var other in _heard.Values.Where(h => IsFresh(h, now)))
        {
            if (Doubt(self, other.Hello) is not { } reason)
            {
                _doubts.Remove(other.Hello.Uid);
                continue;
            }
            var since = _doubts.TryAdd(other.Hello.Uid, other.At) ? other.At : _doubts[other.Hello.Uid];
            if (other.At - since >= Confirm) return new FormationDecision(FormationStep.End, Reason: reason);
        }
        return default;
    }

    /// <summary>Why this membership must end, given what another node reports of its cluster; null if it need not.</summary>
    private string? Doubt(in FormationSelf self, Hello other)
    {
        if (other.State != HelloState.Member) return null;
        bool weListThem = self.Members.Contains(other.Uid), theyListUs = other.Members.Contains(uid);
        if (weListThem) return theyListUs ? null : $"{other.Node} no longer counts this node as a member";
        return theyListUs || IsBetter(self.Id, self.Members, other.Id, other.Members) ? null
            : $"{other.Node} is in another cluster, of {other.Members.Length} members, and this one has {self.Members.Length}";
    }

    /// <summary>Larger, then older. Both sides reach the same result.</summary>
    private static bool IsBetter(ClusterId id, ImmutableArray<long> members, ClusterId otherId, ImmutableArray<long> otherMembers)
    {
        if (members.Length != otherMembers.Length) return members.Length > otherMembers.Length;
        if (id != otherId) return id.FormedAt != otherId.FormedAt ? id.FormedAt < otherId.FormedAt : id.Former < otherId.Former;
        // Both are halves of one former cluster.
        return members.Length > 0 && members.Min() <= otherMembers.Min();
    }

    /// <summary>Seeds that answer and also hear this node: contact in one direction only can't form a cluster.</summary>
    private HashSet<string> Answering(TimeSpan now) =>
        [.. _heard.Values.Where(h => h.Target is not null && _targets.Contains(h.Target) && IsFresh(h, now) && Hears(h)).Select(h => h.Hello.Address)];

    private bool Hears(Heard other) => other.Hello.Hears.Contains(address);

    private static bool IsFresh(Heard other, TimeSpan now) => now - other.At <= Fresh;

    private static bool IsBefore(string one, string other) => string.CompareOrdinal(one, other) < 0;

    private sealed record Heard(Hello Hello, string? Target, TimeSpan At);
}
