using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>The keys below the prefix.</summary>
internal static class StoreKeys
{
    public const string Nodes = "nodes/";
    public const string Coordinator = "coord";
    public const string Table = "table";
    public const string Tick = "tick";
    public const string Backends = "backends/";

    /// <summary><c>down/&lt;name&gt;</c> holds the incarnation that an operator gave up: it must not come back.</summary>
    public const string Downs = "down/";

    /// <summary><c>leave/&lt;name&gt;</c> holds the incarnation that an operator asked to leave.</summary>
    public const string Leaves = "leave/";

    /// <summary>16 bytes under which client ids are hashed, when no shared secret gives them.</summary>
    public const string HashKey = "hash-key";

    public static string Node(string name) => Nodes + name;

    public static string Backend(string pool, string id) => Backends + pool + "/" + id;
}

/// <summary>The store as this node last heard of it: raw entries, and what they mean. Belongs to one actor.</summary>
internal sealed class StoreView(int shardCount)
{
    private readonly Dictionary<string, StoreEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Member> _members = new(StringComparer.Ordinal);
    private ImmutableArray<Member>? _sorted;

    /// <summary>Complete up to this revision.</summary>
    public long Revision { get; private set; }

    /// <summary>Listed at least once and being watched.</summary>
    public bool IsCurrent { get; set; }

    public ShardMap? Table { get; private set; }

    /// <summary>Why the table's value cannot be read, or null.</summary>
    public string? TableFault { get; private set; }

    public CoordinatorSeat? Coordinator { get; private set; }

    /// <summary>Registered nodes by name.</summary>
    public ImmutableArray<Member> Members => _sorted ??= [.. _members.Values.OrderBy(m => m.Name, StringComparer.Ordinal)];

    public StoreEntry? Entry(string key) => _entries.GetValueOrDefault(key);

    public long ModRevision(string key) => Entry(key)?.ModRevision ?? 0;

    public IEnumerable<StoreEntry> Below(string prefix) => _entries.Values.Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal));

    public Member? Member(string name) => _members.GetValueOrDefault(name);

    public bool IsRegistered(PeerId id) => Member(id.Name)?.Incarnation == id.Incarnation;

    /// <summary>Replaces everything.</summary>
    /// <returns>The keys that changed or went.</returns>
    public HashSet<string> Reset(StoreRange range)
    {
        var changed = new HashSet<string>(_entries.Keys, StringComparer.Ordinal);
        foreach (var entry in range.Entries)
        {
            if (_entries.TryGetValue(entry.Key, out var old) && old.ModRevision == entry.ModRevision && old.Lease == entry.Lease
                && old.Value.Span.SequenceEqual(entry.Value.Span))
            {
                changed.Remove(entry.Key);
            }
            else
            {
                changed.Add(entry.Key);
            }
        }

        _entries.Clear();
        foreach (var entry in range.Entries)
        {
            _entries[entry.Key] = entry;
        }

        Revision = range.Revision;
        foreach (var key in changed)
        {
            Interpret(key);
        }

        return changed;
    }

    public void Apply(StoreBatch batch)
    {
        foreach (var change in batch.Events)
        {
            if (change.IsDelete)
            {
                _entries.Remove(change.Entry.Key);
            }
            else
            {
                _entries[change.Entry.Key] = change.Entry;
            }

            Interpret(change.Entry.Key);
        }

        Revision = Math.Max(Revision, batch.Revision);
    }

    private void Interpret(string key)
    {
        var entry = Entry(key);
        if (key.StartsWith(StoreKeys.Nodes, StringComparison.Ordinal))
        {
            _sorted = null;
            var name = key[StoreKeys.Nodes.Length..];
            if (entry is not null && StoreJson.ReadMember(entry.Value.Span) is { } member && member.Name == name)
            {
                _members[name] = member;
            }
            else
            {
                _members.Remove(name);
            }
        }
        else if (key == StoreKeys.Coordinator)
        {
            Coordinator = entry is null ? null : StoreJson.ReadSeat(entry.Value.Span);
        }
        else if (key == StoreKeys.Table)
        {
            var reason = "";
            Table = entry is null ? null : ShardMap.TryDecode(entry.Value.Span, shardCount, out reason);
            TableFault = entry is not null && Table is null ? reason : null;
        }
    }
}
