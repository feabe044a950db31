using ActorLb.Balancing;
using ActorLb.Proxying.Limits;

namespace ActorLb.Proxying;

/// <summary>Why a session ended or was refused. One enum feeds the access log, the metrics and the CONNACK code; the numbers and
/// names are stable.</summary>
internal enum CloseReason : byte
{
    None = 0,

    // Ends of an established session.
    ClientClosed = 1,
    BackendClosed = 2,
    ClientReset = 3,
    BackendReset = 4,
    IdleTimeout = 5,
    HalfCloseTimeout = 6,
    Drained = 7,
    Kicked = 8,

    /// <summary>The backend is down, and the pool closes the sessions of such.</summary>
    BackendDown = 9,

    /// <summary>The operator banned the client while it was connected.</summary>
    ClosedByBan = 11,

    /// <summary>Moved to a backend with too few sessions.</summary>
    Rebalanced = 10,

    // Refused at admission.
    NodeFull = 20,
    ListenerFull = 21,
    AddressFull = 22,
    AddressRate = 23,
    ConnectRate = 24,
    Banned = 25,
    Draining = 26,

    /// <summary>Had sent no CONNECT when no place was left for a newer client.</summary>
    Displaced = 27,

    MemoryShort = 28,

    // Refused on what the client sent.
    ConnectTimeout = 40,
    ClientGone = 41,
    BadProxyHeader = 42,
    TlsFailed = 43,
    BadUpgrade = 44,
    BadFrame = 45,
    BadConnect = 46,
    RewriteFailed = 47,
    ClientIdMismatch = 48,
    EarlyDataLimit = 49,
    HandshakeLimit = 50,

    /// <summary>A TLS client ended before its first byte, as health checks and port scans do: nobody was refused.</summary>
    BareConnect = 51,

    /// <summary>The connection is this node's own: a backend leads back to the node.</summary>
    Loop = 52,

    /// <summary>Devices fight over the client id: sticky.damping.</summary>
    Damped = 53,

    SetupMemory = 55,

    // No backend took it.
    NoBackend = 60,
    BackendsFailed = 61,
    BackendRefused = 62,
    BackendProtocol = 63,
    SourceExhausted = 64,
    LocalShortage = 65,

    /// <summary>Waiting for connects-per-second: too many were, or it took too long.</summary>
    QueueFull = 66,
    QueueTimeout = 67,

    Internal = 90,
}

internal static class CloseReasons
{
    /// <summary>One more than the largest value: the size of a table by reason.</summary>
    public const int Count = 91;

    private static readonly string[] Texts = MakeTexts();

    /// <summary>The reason in words for logs and metric labels, such as "idle_timeout".</summary>
    public static string Text(CloseReason reason) => Texts[(int)reason];

    /// <summary>Whether the session ended before its CONNACK and was never relayed.</summary>
    public static bool IsRefusal(CloseReason reason) => (int)reason >= 20;

    /// <summary>How the session's backend has lost it; null when that was not the backend's doing.</summary>
    public static SessionLoss? LossOf(CloseReason reason) => reason switch
    {
        CloseReason.BackendClosed => SessionLoss.Closed,
        CloseReason.BackendReset => SessionLoss.Reset,
        CloseReason.BackendDown => SessionLoss.Down,
        _ => null,
    };

    private static string[] MakeTexts()
    {
        string[] texts = new string[Count];
        foreach (var reason in Enum.GetValues<CloseReason>())
        {
            var text = new System.Text.StringBuilder();
            foreach (char c in reason.ToString())
            {
                if (char.IsAsciiLetterUpper(c) && text.Length > 0) text.Append('_');
                text.Append(char.ToLowerInvariant(c));
            }
            texts[(int)reason] = text.ToString();
        }
        return texts;
    }
}
