using ActorLb.Protocol.Mqtt;

namespace ActorLb.Proxying.Limits;

internal static class Refusals
{
    /// <summary>The reason code that a client gets for a refusal by this node.</summary>
    public static RefusalReason For(CloseReason reason) => reason switch
    {
        CloseReason.NodeFull or CloseReason.ListenerFull or CloseReason.AddressFull => RefusalReason.ServerBusy,
        CloseReason.MemoryShort or CloseReason.SetupMemory or CloseReason.LocalShortage => RefusalReason.ServerBusy,
        CloseReason.AddressRate or CloseReason.ConnectRate or CloseReason.QueueFull or CloseReason.QueueTimeout or CloseReason.Damped => RefusalReason.ConnectionRateExceeded,
        CloseReason.Banned => RefusalReason.Banned,
        CloseReason.ClientIdMismatch or CloseReason.RewriteFailed => RefusalReason.ClientIdNotValid,
        _ => RefusalReason.ServerUnavailable,
    };
}
