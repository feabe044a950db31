namespace ActorLb.Proxying.Limits;

/// <summary>
/// How much all sessions without CONNACK may hold together (<c>node.setup-memory</c>). Each reactor keeps a <see cref="SetupLedger"/>
/// of its own and reports in steps, so that a connection costs no write that reactors share.
/// </summary>
internal sealed class SetupBudget
{
    private const long LargestStep = 256 * 1024;

    /// <summary>Of the machine's or the control group's memory, what <c>auto</c> takes at most.</summary>
    private const int PartOfMemory = 8;

    /// <summary>What <c>auto</c> allows a client: TLS and buffers of one that waits for its CONNACK, measured.</summary>
    private const long ForEachClient = 16 * 1024;

    /// <summary>The least that can be configured, and that <c>auto</c> takes: twice a CONNECT of the largest size by default, and some room.</summary>
    public const long Least = 4 << 20;

    // Ledgers are added before the reactors start.
    private SetupLedger[] _ledgers = [];
    private long _limit = long.MaxValue;
    private long _step = LargestStep;
    private long _reported;
    private long _peak;
    private volatile bool _tight;

    /// <summary>Bytes; changed by a reload.</summary>
    public long Limit
    {
        get => Volatile.Read(ref _limit);
        set
        {
            Volatile.Write(ref _limit, value);
            Volatile.Write(ref _step, Math.Clamp(value / 64, 4096, LargestStep));
            AskAll();
        }
    }

    /// <summary>The system has little memory left: only a quarter of the limit holds.</summary>
    public bool Tight
    {
        get => _tight;
        set
        {
            _tight = value;
            if (value) AskAll();
        }
    }

    /// <summary>Bytes held now.</summary>
    public long Held => _ledgers.Sum(l => l.Held);

    internal long Step => Volatile.Read(ref _step);

    private long InForce => _tight ? Limit / 4 : Limit;

    /// <param name="memory">Bytes that the process may use.</param>
    /// <param name="maxConnections">Clients that the node takes.</param>
    public static long Auto(long memory, int maxConnections) =>
        Math.Max(Least, Math.Min(memory / PartOfMemory, Math.Max(64 << 20, maxConnections * ForEachClient)));

    /// <summary>The most that was held since the last call, as far as it was reported.</summary>
    public long TakePeak() => Interlocked.Exchange(ref _peak, Interlocked.Read(ref _reported));

    internal void Add(SetupLedger ledger) => _ledgers = [.. _ledgers, ledger];

    internal void Report(long change)
    {
        long reported = Interlocked.Add(ref _reported, change);
        if (reported > Volatile.Read(ref _peak)) Volatile.Write(ref _peak, reported);
    }

    /// <param name="more">What the asking reactor has not reported yet.</param>
    internal bool IsExceeded(long more) => Volatile.Read(ref _reported) + more > InForce;

    /// <summary>Has the reactor with larger sessions than the asking one's make room; false when there is none, or when it does not do so
    /// in time.</summary>
    internal bool LeaveToLarger(SetupLedger asking, long more)
    {
        var largest = asking;
        foreach (var ledger in _ledgers)
        {
            if (ledger.LargestClass > largest.LargestClass) largest = ledger;
        }
        if (ReferenceEquals(largest, asking)) return false;
        largest.Ask();
        long limit = InForce;
        return Volatile.Read(ref _reported) + more <= limit + (limit / 8);
    }

    private void AskAll()
    {
        foreach (var ledger in _ledgers) ledger.Ask();
    }
}
