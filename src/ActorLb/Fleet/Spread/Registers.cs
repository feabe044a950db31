using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>One named value of the spread state. The higher stamp wins; of equal stamps the greater bytes, so that all nodes choose alike.</summary>
/// <param name="Stamp">A <see cref="SpreadClock"/> reading, above 0.</param>
internal readonly record struct Register(long Stamp, ReadOnlyMemory<byte> Value)
{
    public bool Supersedes(Register other) =>
        Stamp != other.Stamp ? Stamp > other.Stamp : Value.Span.SequenceCompareTo(other.Value.Span) > 0;

    public bool Equals(Register other) => Stamp == other.Stamp && Value.Span.SequenceEqual(other.Value.Span);

    public override int GetHashCode() => HashCode.Combine(Stamp, Value.Length);
}

/// <summary>Named values that every node may write: a map of last-writer-wins registers, merged name by name. Immutable.</summary>
internal sealed class Registers : IEquatable<Registers>
{
    /// <summary>
    /// An empty value is one that was taken back. It has to outlive the value on nodes that are away; it goes when it is so much older than
    /// the newest of all, and of many the newest stay: what is left depends on nothing but the contents, so all nodes drop alike.
    /// </summary>
    private const long TombstoneLife = 7L * 24 * 3600 * 1000;
    private const int MostTombstones = 500;

    /// <summary>Of their names, in UTF-16 units.</summary>
    private const int MostTombstoneNames = 16 * 1024;

    public static readonly Registers Empty = new(ImmutableSortedDictionary.Create<string, Register>(StringComparer.Ordinal));

    private Registers(ImmutableSortedDictionary<string, Register> items) => Items = items;

    /// <summary>In ordinal order, so that equal contents have equal bytes: the replicators compare digests.</summary>
    public ImmutableSortedDictionary<string, Register> Items { get; }

    /// <summary>The same with that value, unless a newer one is there.</summary>
    public Registers With(string name, Register register) =>
        Items.TryGetValue(name, out Register known) && !register.Supersedes(known) ? this : new Registers(Items.SetItem(name, register));

    public Registers Merge(Registers other)
    {
        if (ReferenceEquals(this, other)) return this;
        Registers merged = this;
        foreach ((string name, Register register) in other.Items) merged = merged.With(name, register);
        return ReferenceEquals(merged, this) ? this : merged.WithoutOldTombstones();
    }

    public Registers WithoutOldTombstones()
    {
        if (Items.IsEmpty) return this;
        (string Name, long Stamp)[] taken =
            [.. Items.Where(i => i.Value.Value.IsEmpty).Select(i => (i.Key, i.Value.Stamp)).OrderByDescending(i => i.Stamp).ThenBy(i => i.Key, StringComparer.Ordinal)];
        if (taken.Length == 0) return this;
        long oldest = Items.Values.Max(r => r.Stamp) - TombstoneLife;
        Registers left = this;
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
