using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;

namespace ActorLb.Telemetry;

/// <summary>Records the steps of a session in its trace, if it has one.</summary>
internal static class SetupTracing
{
    /// <summary>The session enters a phase. The relay, and the wait of a refused client, are no longer part of the set-up.</summary>
    public static void Enter(Session session, SetupTrace trace, Phase phase)
    {
        switch (phase)
        {
            case Phase.Relay:
                Finish(session, trace, CloseReason.None);
                break;
            case Phase.Lingering:
                Finish(session, trace, session.EndReason);
                break;
            default:
                // A dial has no step of its own: it is recorded with its backend.
                if (Phases.TraceOf(phase) is { } step) trace.Step(step);
                break;
        }
    }

    public static void Finish(Session session, SetupTrace trace, CloseReason reason)
    {
        session.Trace = null;
        trace.Mqtt = session.Version switch { MqttVersion.V31 => "3.1", MqttVersion.V311 => "3.1.1", MqttVersion.V5 => "5", _ => null };
        trace.Finish(reason == CloseReason.None ? null : CloseReasons.Text(reason));
    }
}
