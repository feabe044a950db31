using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// One named value of the spread state. The higher stamp wins, or the greater bytes if stamps are equal, so that all nodes choose
/// the same.
/// </summary>
/// <param name="Stamp">Time by <see cref="SpreadClock"/>; positive.</param>
internal readonly record struct Register(long Stamp, ReadOnlyMemory<byte> Value)
{
    public bool Supersedes(Register other) =>
        Stamp != other.Stamp ? Stamp > other.Stamp : Value.Span.SequenceCompareTo(other.Value.Span) > 0;

    public bool Equals(Register other) => Stamp == other.Stamp && Value.Span.SequenceEqual(other.Value.Span);

    public override int GetHashCode() => HashCode.Combine(Stamp, Value.Length);
}

/// <summary>Named values that every node may write: a map of last-writer-wins registers, merged by name. Immutable.</summary>
internal sealed class Registers : IEquatable<Registers>
{
    /// <summary>
    /// An empty value (a tombstone) marks a withdrawn one, and must outlive copies of the value on absent nodes. It is dropped
    /// once it is this much older than the newest register, or if there are too many. That depends only on the contents, so all
    /// nodes drop the same ones.
    /// </summary>
    private const long TombstoneLife = 7L * 24 * 3600 * 1000;
    private const int MostTombstones = 500;

    /// <summary>Total length of their names, in UTF-16 units.</summary>
    private const int MostTombstoneNames = 16 * 1024;

    public static readonly Registers Empty = new(ImmutableSortedDictionary.Create<string, Register>(StringComparer.Ordinal));

    private Registers(ImmutableSortedDictionary<string, Register> items) => Items = items;

    /// <summary>In ordinal order, so that equal contents have equal bytes, because replicators compare digests.</summary>
    public ImmutableSortedDictionary<string, Register> Items { get; }

    /// <summary>Returns the registers with this value, unless they hold a newer one.</summary>
    public Registers With(string name, Register register) =>
        Items.TryGetValue(name, out var known) && !register.Supersedes(known) ? this : new Registers(Items.SetItem(name, register));

    public Registers Merge(Registers other)
    {
        if (ReferenceEquals(this, other)) return this;
        var merged = this;
        foreach ((string name, var register) in other.Items) merged = merged.With(name, register);
        return ReferenceEquals(merged, this) ? this : merged.WithoutOldTombstones();
    }

    public Registers WithoutOldTombstones()
    {
        if (Items.IsEmpty) return this;
        (string Name, long Stamp)[] taken =
            [.. Items.Where(i => i.Value.Value.IsEmpty).Select(i => (i.Key, i.Value.Stamp)).OrderByDescending(i => i.Stamp).ThenBy(i => i.Key, StringComparer.Ordinal)];
        if (taken.Length == 0) return this;
        long oldest = Items.Values.Max(r => r.Stamp) - TombstoneLife;
        var left = this;
        int names = 0;
        for (int i = 0; i < taken.Length; i++)
        {
            names += taken[i].Name.Length;
            if (i >= MostTombstones || names > MostTombstoneNames || taken[i].Stamp < oldest) left = new Registers(left.Items.Remove(taken[i].Name));
        }
        return left;
    }

    public bool Equals(Registers? other) =>
        other is not null && (ReferenceEquals(this, other) || (Items.Count == other.Items.Count && Items.SequenceEqual(other.Items)));

    public override bool Equals(object? obj) => Equals(obj as Registers);

    public override int GetHashCode() => Items.Count;
}
