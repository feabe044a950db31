using System.Collections.Frozen;
using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster;

/// <summary>What the rest of the fleet says of the backends: immutable, swapped as a whole.</summary>
/// <param name="Connections">By backend: connections of the other live nodes.</param>
/// <param name="Down">Backends that a majority of the live nodes calls down.</param>
/// <param name="LiveNodes">Nodes heard of lately, this one included.</param>
internal sealed record FleetReport(FrozenDictionary<uint, int> Connections, FrozenSet<uint> Down, int LiveNodes)
{
    public static readonly FleetReport Alone = new(FrozenDictionary<uint, int>.Empty, FrozenSet<uint>.Empty, 1);

    public int ConnectionsOf(uint backend) => Connections.GetValueOrDefault(backend);
}

/// <summary>
/// Exchanges connection counts and health verdicts: absolute numbers, published every 250 ms, so a lost frame costs nothing and a
/// node that falls silent stops to count within a second. A pure state machine of one actor.
/// </summary>
internal sealed class FleetReports(PeerId self)
{
    public const long PublishMilliseconds = 250;

    /// <summary>Four missed publications: whoever is silent for so long has no connections and no vote.</summary>
    public const long SilentMilliseconds = 1000;

    private readonly Dictionary<PeerId, Heard> _heard = [];
    private PeerReport[] _counts = [];
    private PeerReport[] _verdicts = [];
    private uint _version;
    private long _nextAt;

    public FleetReport Report { get; private set; } = FleetReport.Alone;

    /// <summary>This node's connections by backend.</summary>
    public void SetCounts(ReadOnlySpan<PeerReport> counts) => _counts = counts[..Math.Min(counts.Length, PeerReports.MaxReports)].ToArray();

    /// <summary>This node's own verdicts: <see cref="PeerReports.Up"/> or <see cref="PeerReports.Down"/>.</summary>
    public void SetVerdicts(ReadOnlySpan<PeerReport> verdicts) =>
        _verdicts = verdicts[..Math.Min(verdicts.Length, PeerReports.MaxReports)].ToArray();

    /// <summary>Publishes when it is time, and reckons anew.</summary>
    /// <param name="broadcast">Sends a frame to every peer.</param>
    public void Tick(long now, ulong epoch, Action<ReadOnlyMemory<byte>> broadcast)
    {
        if (now < _nextAt)
        {
            return;
        }

        _nextAt = now + PublishMilliseconds;
        _version++;
        broadcast(Frame(PeerFrameType.Counts, _counts, epoch));
        broadcast(Frame(PeerFrameType.Health, _verdicts, epoch));
        Reckon(now);
    }

    /// <summary>Another node's counts or verdicts; the incarnation is the link's, whatever the frame says.</summary>
    public void OnReports(PeerId from, PeerFrameType type, in PeerReports reports, long now)
    {
        if (reports.Incarnation != from.Incarnation)
        {
            return;
        }

        if (!_heard.TryGetValue(from, out var heard))
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
        }
        else
        {
            heard.Verdicts = items;
        }
    }

    /// <summary>A node is gone: its connections are too.</summary>
    public void Forget(PeerId peer) => _heard.Remove(peer);

    private void Reckon(long now)
    {
        foreach (var (id, heard) in _heard.ToArray())
        {
            if (now - heard.At > SilentMilliseconds)
            {
                _heard.Remove(id);
            }
        }

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
        Report = new FleetReport(
            connections.ToFrozenDictionary(), votes.Where(v => v.Value * 2 > live).Select(v => v.Key).ToFrozenSet(), live);
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
        PeerReports.Write(frame, new PeerFrameHeader(type, 0, 0, 0, epoch), self.Incarnation, _version, reports);
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
