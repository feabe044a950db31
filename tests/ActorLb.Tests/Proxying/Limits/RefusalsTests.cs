using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;

namespace ActorLb.Tests.Proxying.Limits;

public sealed class RefusalsTests
{
    /// <summary>Busy and too fast say "later", and a wrong client id or a ban "not you"; all else, be it new, is no more than unavailable.</summary>
    [Fact]
    public void Reason_OfEveryRefusal_IsAsTheClientIsToTakeIt()
    {
        CloseReason[] busy =
            [CloseReason.NodeFull, CloseReason.ListenerFull, CloseReason.AddressFull, CloseReason.MemoryShort, CloseReason.SetupMemory, CloseReason.LocalShortage];
        CloseReason[] fast = [CloseReason.AddressRate, CloseReason.ConnectRate, CloseReason.QueueFull, CloseReason.QueueTimeout, CloseReason.Damped];
        CloseReason[] id = [CloseReason.ClientIdMismatch, CloseReason.RewriteFailed];
        Assert.All(Enum.GetValues<CloseReason>(), reason => Assert.Equal(
            (reason, busy.Contains(reason) ? RefusalReason.ServerBusy
                : fast.Contains(reason) ? RefusalReason.ConnectionRateExceeded
                : id.Contains(reason) ? RefusalReason.ClientIdNotValid
                : reason == CloseReason.Banned ? RefusalReason.Banned : RefusalReason.ServerUnavailable),
            (reason, Refusals.For(reason))));
    }
}
