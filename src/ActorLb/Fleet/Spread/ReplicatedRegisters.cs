using Akka.DistributedData;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// <see cref="Registers"/> as a type of Akka.DistributedData. A separate class, so that a node by itself uses registers without
/// loading Akka.DistributedData.
/// </summary>
internal sealed class ReplicatedRegisters(Registers all) : IReplicatedData<ReplicatedRegisters>, IEquatable<ReplicatedRegisters>
{
    public static readonly ReplicatedRegisters Empty = new(Registers.Empty);

    public Registers All { get; } = all;

    public ReplicatedRegisters Merge(ReplicatedRegisters other) => With(other.All);

    public ReplicatedRegisters With(Registers other)
    {
        var merged = All.Merge(other);
        return ReferenceEquals(merged, All) ? this : new ReplicatedRegisters(merged);
    }

    IReplicatedData IReplicatedData.Merge(IReplicatedData other) => Merge((ReplicatedRegisters)other);

    public bool Equals(ReplicatedRegisters? other) => other is not null && All.Equals(other.All);

    public override bool Equals(object? obj) => Equals(obj as ReplicatedRegisters);

    public override int GetHashCode() => All.GetHashCode();
}
