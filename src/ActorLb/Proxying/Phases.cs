using ActorLb.Configuration;
using ActorLb.Telemetry;

namespace ActorLb.Proxying;

/// <summary>Where a session is on its way from accept to close, in the order in which they come.</summary>
internal enum Phase : byte
{
    Free,
    ProxyHeader, TlsHandshake, Upgrade, Connect,
    Routing, Queued, Dialing, BackendPreamble, BackendTls, BackendUpgrade, Connack,
    Relay,
    Lingering,
}

/// <summary>Which class a session's events go to.</summary>
internal enum Step : byte { None, Intake, Router, Dialer, Greeting, Relay, Closer }

/// <summary>What it means that a session's deadline has come.</summary>
internal enum Overdue : byte { Close, ClientSilent, QueueTimeout, BackendSilent, Idle }

/// <summary>
/// The phases of a session in one table: what serves each of them, what it counts as, what its deadline means, and which may follow.
/// <see cref="Session.MoveTo"/> goes by it, and so do the flow and the clock; the chart in docs/architecture.md shows it.
/// </summary>
internal static class Phases
{
    private enum Gauge : byte { None, Reading, Connecting, Relaying, Lingering }

    /// <param name="Trace">The step's name in traces; null where it has none of its own.</param>
    /// <param name="Owed">What a backend that is silent has not done; null where none is waited for.</param>
    /// <param name="Applies">Whether a session passes through the phase when those before it are done.</param>
    /// <param name="Next">Phases that may follow. Every phase may end in <see cref="Phase.Free"/>.</param>
    private sealed record Row(
        Phase Phase, Step Step, Gauge Gauge, Overdue Overdue, string? Trace, string? Owed, Func<Session, bool> Applies, params Phase[] Next);

    private static readonly Row[] Table =
    [
        new(Phase.Free, Step.None, Gauge.None, Overdue.Close, null, null, Never, Phase.ProxyHeader),
        new(Phase.ProxyHeader, Step.Intake, Gauge.Reading, Overdue.ClientSilent, null, null, Always,
            Phase.TlsHandshake, Phase.Upgrade, Phase.Connect, Phase.Routing),
        new(Phase.TlsHandshake, Step.Intake, Gauge.Reading, Overdue.ClientSilent, "tls_handshake", null, static s => s.ListenerState!.Tls is not null,
            Phase.Upgrade, Phase.Connect, Phase.Routing),
        new(Phase.Upgrade, Step.Intake, Gauge.Reading, Overdue.ClientSilent, "upgrade", null, static s => s.ListenerState!.Options.WebSocket is not null,
            Phase.Connect, Phase.Lingering),
        new(Phase.Connect, Step.Intake, Gauge.Reading, Overdue.ClientSilent, "connect", null, static s => s.ListenerState!.Options.Protocol != ListenerProtocol.Tcp,
            Phase.Routing, Phase.Lingering),
        new(Phase.Routing, Step.None, Gauge.Connecting, Overdue.Close, "lookup", null, Always,
            Phase.Queued, Phase.Dialing, Phase.BackendPreamble, Phase.Connack, Phase.Routing, Phase.Lingering),
        new(Phase.Queued, Step.Router, Gauge.Connecting, Overdue.QueueTimeout, "queued", null, Never, Phase.Routing, Phase.Lingering),
        new(Phase.Dialing, Step.Dialer, Gauge.Connecting, Overdue.BackendSilent, null, "no connection", Always,
            Phase.BackendPreamble, Phase.Connack, Phase.Routing, Phase.Lingering),
        new(Phase.BackendPreamble, Step.Greeting, Gauge.Connecting, Overdue.BackendSilent, "backend_preamble", "the PROXY header was not accepted",
            static s => s.Pool.Tls is not null || UpgradesBackend(s),
            Phase.BackendTls, Phase.BackendUpgrade, Phase.Routing, Phase.Lingering),
        new(Phase.BackendTls, Step.Greeting, Gauge.Connecting, Overdue.BackendSilent, "backend_tls", "no TLS handshake", static s => s.Pool.Tls is not null,
            Phase.BackendUpgrade, Phase.Connack, Phase.Routing, Phase.Lingering),
        new(Phase.BackendUpgrade, Step.Greeting, Gauge.Connecting, Overdue.BackendSilent, "backend_upgrade", "no answer to the upgrade", UpgradesBackend,
            Phase.Connack, Phase.Routing, Phase.Lingering),
        new(Phase.Connack, Step.Greeting, Gauge.Connecting, Overdue.BackendSilent, "connack", "no CONNACK", Always,
            Phase.Relay, Phase.Routing, Phase.Lingering),
        new(Phase.Relay, Step.Relay, Gauge.Relaying, Overdue.Idle, null, null, Always, Phase.Lingering),
        new(Phase.Lingering, Step.Closer, Gauge.Lingering, Overdue.Close, null, null, Never, Phase.Lingering),
    ];

    // By phase, a bit for each that may follow.
    private static readonly ushort[] NextBits = Bits();

    /// <summary>The phase that the table describes in the place of this one: itself.</summary>
    public static Phase Described(Phase phase) => Table[(int)phase].Phase;

    public static Step StepOf(Phase phase) => Table[(int)phase].Step;

    public static Overdue OverdueOf(Phase phase) => Table[(int)phase].Overdue;

    public static string? TraceOf(Phase phase) => Table[(int)phase].Trace;

    /// <summary>What the session's backend has not done in its time.</summary>
    public static string OwedBy(Session session) =>
        session is { Phase: Phase.Connack, IsMqtt: false } ? Table[(int)Phase.BackendPreamble].Owed! : Table[(int)session.Phase].Owed!;

    public static ReadOnlySpan<Phase> Next(Phase phase) => Table[(int)phase].Next;

    public static bool MayFollow(Phase phase, Phase next) => (NextBits[(int)phase] & (1 << (int)next)) != 0;

    /// <summary>The phase that the session goes to when one is done: the next in order that applies to it.</summary>
    public static Phase After(Phase done, Session session)
    {
        int next = (int)done + 1;
        while (!Table[next].Applies(session)) next++;
        return (Phase)next;
    }

    /// <summary>A session comes into a phase (1) or leaves it (-1).</summary>
    public static void Count(ReactorCounters counters, Phase phase, int change)
    {
        switch (Table[(int)phase].Gauge)
        {
            case Gauge.Reading: counters.Reading += change; break;
            case Gauge.Connecting: counters.Connecting += change; break;
            case Gauge.Relaying: counters.Relaying += change; break;
            case Gauge.Lingering: counters.Lingering += change; break;
        }
    }

    private static ushort[] Bits()
    {
        ushort[] bits = new ushort[Table.Length];
        foreach (var row in Table)
        {
            bits[(int)row.Phase] = 1 << (int)Phase.Free;
            foreach (var next in row.Next) bits[(int)row.Phase] |= (ushort)(1 << (int)next);
        }
        return bits;
    }

    private static bool Always(Session session) => true;

    private static bool Never(Session session) => false;

    private static bool UpgradesBackend(Session session) => session.WebSocket is { FramesBackend: true };
}
