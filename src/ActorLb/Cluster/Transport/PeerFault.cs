using Microsoft.Extensions.Logging;

namespace ActorLb.Cluster.Transport;

/// <summary>What can be wrong with who speaks on the peer port, or with who answers there. Frozen numbers: they are metric labels.</summary>
internal enum PeerFault
{
    None = 0,

    /// <summary>Not this protocol at all: another program, a scan, noise.</summary>
    Garbage = 1,

    /// <summary>The TLS handshake failed: no certificate, or one that is not trusted.</summary>
    Tls = 2,

    /// <summary>A frame that breaks the protocol.</summary>
    Malformed = 3,

    /// <summary>Another version of the protocol.</summary>
    Version = 4,

    /// <summary>A node of another cluster.</summary>
    Cluster = 5,

    /// <summary>The proof of the shared secret is wrong.</summary>
    Proof = 6,

    /// <summary>The peer hashes client ids with another key.</summary>
    HashKey = 7,

    /// <summary>A node with this node's own name.</summary>
    SameName = 8,

    /// <summary>Connected, but silent.</summary>
    Timeout = 9,

    /// <summary>Not reached, or the connection broke.</summary>
    Connection = 10,

    /// <summary>Another run of the node answers than the one looked for.</summary>
    OtherRun = 11,
}

/// <summary>Counts faults and logs each kind at once, but at most every ten seconds: a port scan must not fill the disk.</summary>
internal sealed partial class PeerFaults(ILogger logger, TimeProvider time)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();

    // Guarded by _gate; by fault.
    private readonly long[] _counts = new long[(int)PeerFault.OtherRun + 1];
    private readonly long[] _logged = new long[(int)PeerFault.OtherRun + 1];
    private readonly int[] _held = new int[(int)PeerFault.OtherRun + 1];

    public long CountOf(PeerFault fault)
    {
        lock (_gate)
        {
            return _counts[(int)fault];
        }
    }

    /// <param name="who">The other side, by address or name.</param>
    public void Report(PeerFault fault, string who, string reason)
    {
        // Names in it come from whoever connected.
        reason = string.Create(reason.Length, reason, (to, from) =>
        {
            for (var i = 0; i < to.Length; i++)
            {
                to[i] = char.IsControl(from[i]) ? '?' : from[i];
            }
        });
        int held;
        lock (_gate)
        {
            var i = (int)fault;
            var now = time.GetTimestamp();
            if (_counts[i]++ > 0 && time.GetElapsedTime(_logged[i], now) < Quiet)
            {
                _held[i]++;
                return;
            }

            _logged[i] = now;
            held = _held[i];
            _held[i] = 0;
        }

        if (fault is PeerFault.Connection or PeerFault.OtherRun)
        {
            Log.Lost(logger, who, reason, held);
        }
        else
        {
            Log.Refused(logger, who, fault, reason, held);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3200, LogLevel.Warning, "Peer {Who} refused ({Fault}): {Reason} ({Held} more of this kind not logged)")]
        public static partial void Refused(ILogger logger, string who, PeerFault fault, string reason, int held);

        [LoggerMessage(3201, LogLevel.Information, "Peer {Who} not connected: {Reason} ({Held} more of this kind not logged)")]
        public static partial void Lost(ILogger logger, string who, string reason, int held);
    }
}
