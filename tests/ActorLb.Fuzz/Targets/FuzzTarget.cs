namespace ActorLb.Fuzz.Targets;

/// <summary>Something that must take any bytes: it throws when a promise is broken and allocates nothing otherwise.</summary>
internal abstract class FuzzTarget
{
    public abstract string Name { get; }

    /// <summary>Inputs to mutate.</summary>
    public abstract byte[][] Seeds { get; }

    /// <param name="input">May be changed.</param>
    /// <param name="choice">Random bits for what the target itself chooses, such as where to split.</param>
    public abstract void Run(Span<byte> input, uint choice);

    /// <summary>Repairs what a mutation breaks first, such as a length, so that inputs get deeper; true if it did.</summary>
    public virtual bool Repair(Span<byte> input) => false;

    public static FuzzTarget[] All() => [new MqttTarget(), new ProxyTarget(), new UpgradeTarget(), new FrameTarget()];

    /// <summary>So many of a valid seed that they weigh as much as a corpus of malformed ones.</summary>
    protected static IEnumerable<byte[]> Often(int times, params byte[][] seeds) => Enumerable.Repeat(seeds, times).SelectMany(s => s);

    protected static void Demand(bool promise, string what)
    {
        if (!promise) throw new InvalidOperationException(what);
    }

    /// <summary>A place to split an input of that length, both ends included.</summary>
    protected static int SplitPoint(uint choice, int length) => (int)(choice % (uint)(length + 1));
}
