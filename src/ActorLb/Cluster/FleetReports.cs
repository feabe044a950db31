using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster;

/// <summary>What the rest of the fleet says of the backends: immutable, swapped as a whole.</summary>
/// <param name="Connections">By backend: connections of the other live nodes.</param>
/// <param name="Down">Backends that a majority of the live nodes calls down.</param>
/// <param name="LiveNodes">Nodes heard of lately, this one included.</param>
internal sealed record FleetReport(IReadOnlyDictionary<uint, int> Connections, IReadOnlySet<uint> Down, int LiveNodes)
{
    public static readonly FleetReport Alone = new(new Dictionary<uint, int>(), new HashSet<uint>(), 1);

    public int ConnectionsOf(uint backend) => Connections.GetValueOrDefault(backend);
}

/// <summary>
/// Exchanges connection counts and health verdicts: absolute numbers, published every 250 ms and as soon as they change, so a lost
/// frame costs nothing and a node that falls silent stops to count within a second. What comes in counts at once: every moment that a
/// number is older, nodes place more clients where they would not. A pure state machine of one actor.
/// </summary>
internal sealed class FleetReports(PeerId self)
{
    public const long PublishMilliseconds = 250;

    /// <summary>Four missed publications: whoever is silent for so long has no connections and no vote.</summary>
    public const long SilentMilliseconds = 1000;

    private readonly Dictionary<PeerId, Heard> _heard = [];
    private PeerReport[] _counts = [];
    private PeerReport[] _verdicts = [];
    private PeerReport[] _publishedCounts = [];
    private PeerReport[] _publishedVerdicts = [];
    private uint _version;
    private long _nextAt;
    private volatile FleetReport _report = FleetReport.Alone;

    /// <summary>Replaced as a whole; any thread may read it.</summary>
    public FleetReport Report => _report;

    /// <summary>Brings the numbers of the moment by <see cref="SetCounts"/> and <see cref="SetVerdicts"/>, before they are published.</summary>
    public Action? Collect { get; set; }

    /// <summary>Hears every new report, with each node's word that came in.</summary>
    public Action<FleetReport>? Reckoned { get; set; }

    /// <summary>This node's connections by backend.</summary>
    public void SetCounts(ReadOnlySpan<PeerReport> counts) => _counts = counts[..Math.Min(counts.Length, PeerReports.MaxReports)].ToArray();

    /// <summary>This node's own verdicts: <see cref="PeerReports.Up"/> or <see cref="PeerReports.Down"/>.</summary>
    public void SetVerdicts(ReadOnlySpan<PeerReport> verdicts) =>
        _verdicts = verdicts[..Math.Min(verdicts.Length, PeerReports.MaxReports)].ToArray();

    /// <summary>Publishes what changed, and everything when it is time. Every 50 ms.</summary>
    /// <param name="broadcast">Sends a frame to every peer.</param>
    public void Tick(long now, ulong epoch, Action<ReadOnlyMemory<byte>> broadcast)
    {
        Collect?.Invoke();
        var isTime = now >= _nextAt;
        if (isTime)
        {
            _nextAt = now + PublishMilliseconds;
        }

        if (isTime || !_counts.AsSpan().SequenceEqual(_publishedCounts))
        {
            _publishedCounts = _counts;
            broadcast(Frame(PeerFrameType.Counts, _counts, epoch));
        }

        var verdictsChanged = !_verdicts.AsSpan().SequenceEqual(_publishedVerdicts);
        if (isTime || verdictsChanged)
        {
            _publishedVerdicts = _verdicts;
            broadcast(Frame(PeerFrameType.Health, _verdicts, epoch));
        }

        if (Silence(now) || verdictsChanged)
        {
            Reckon();
        }
    }

    /// <summary>A peer is connected anew: it hears everything with the next tick.</summary>
    public void PublishSoon() => _nextAt = 0;

    /// <summary>Another node's counts or verdicts; the incarnation is the link's, whatever the frame says.</summary>
    public void OnReports(PeerId from, PeerFrameType type, in PeerReports reports, long now)
    {
        if (reports.Incarnation != from.Incarnation)
        {
            return;
        }

        var isNew = !_heard.TryGetValue(from, out var heard);
        if (heard is null)
        {
            _heard[from] = heard = new Heard();
        }

        ref var version = ref type == PeerFrameType.Counts ? ref heard.CountsVersion : ref heard.VerdictsVersion;
        if (unchecked((int)(reports.Version - version)) < 0)
        {
            return;
        }

        version = reports.Version;
        heard.At = now;
        var items = new PeerReport[reports.Count];
        for (var i = 0; i < items.Length; i++)
        {
            items[i] = reports[i];
        }

        if (type == PeerFrameType.Counts)
        {
            heard.Counts = items;
            Reckon();
        }
        else if (isNew || !items.AsSpan().SequenceEqual(heard.Verdicts))
        {
            heard.Verdicts = items;
            Reckon();
        }
    }

    /// <summary>A node is gone: its connections are too.</summary>
    public void Forget(PeerId peer)
    {
        if (_heard.Remove(peer))
        {
            Reckon();
        }
    }

    /// <returns>Whether a node fell silent.</returns>
    private bool Silence(long now)
    {
        var silent = false;
        foreach (var (id, heard) in _heard)
        {
            if (now - heard.At > SilentMilliseconds)
            {
                // Removal does not disturb the enumeration.
                silent |= _heard.Remove(id);
            }
        }

        return silent;
    }

    private void Reckon()
    {
        var connections = new Dictionary<uint, int>();
        var votes = new Dictionary<uint, int>();
        foreach (var heard in _heard.Values)
        {
            foreach (var count in heard.Counts)
            {
                connections[count.Backend] = connections.GetValueOrDefault(count.Backend) + (int)Math.Min(count.Value, int.MaxValue / 64);
            }

            Vote(votes, heard.Verdicts);
        }

        Vote(votes, _verdicts);
        var live = _heard.Count + 1;
        _report = new FleetReport(connections, votes.Where(v => v.Value * 2 > live).Select(v => v.Key).ToHashSet(), live);
        Reckoned?.Invoke(_report);
    }

    private static void Vote(Dictionary<uint, int> votes, PeerReport[] verdicts)
    {
        foreach (var verdict in verdicts)
        {
            if (verdict.Value == PeerReports.Down)
            {
                votes[verdict.Backend] = votes.GetValueOrDefault(verdict.Backend) + 1;
            }
        }
    }

    private byte[] Frame(PeerFrameType type, PeerReport[] reports, ulong epoch)
    {
        var frame = new byte[PeerReports.SizeOf(reports.Length)];
        PeerReports.Write(frame, new PeerFrameHeader(type, 0, 0, 0, epoch), self.Incarnation, ++_version, reports);
        return frame;
    }

    private sealed class Heard
    {
        public uint CountsVersion;
        public uint VerdictsVersion;

        public long At { get; set; }

        public PeerReport[] Counts { get; set; } = [];

        public PeerReport[] Verdicts { get; set; } = [];
    }
}
