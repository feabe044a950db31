using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet;

/// <summary>What reaches the control plane of the fleet.</summary>
internal abstract record FleetMessage;

internal sealed record TimePassed : FleetMessage;

internal sealed record CopiesChanged : FleetMessage;

internal sealed record StoreReplied(StoreReply Reply) : FleetMessage;

internal sealed record StoreChanged(int Generation, StoreBatch Batch) : FleetMessage;

internal sealed record FrameCame(IPeerLink Link, byte[] Frame) : FleetMessage;

internal sealed record AddressProbed(PeerId Peer, bool IsReachable) : FleetMessage;

/// <summary>Somebody's wish; the answer goes where the wish says.</summary>
internal sealed record FleetWish(Action<FleetControl> Do, Action<Exception>? Failed) : FleetMessage, IAwaitedMessage
{
    public void Fail(Exception reason) => Failed?.Invoke(reason);
}

/// <summary>
/// The control plane's loop: one mailbox around <see cref="FleetControl"/>. A full mailbox refuses: ticks and frames come again, the
/// store's news waits for room.
/// </summary>
internal sealed class FleetActor(
    FleetControl control, Func<long> now, Func<int> watchGeneration, Action<IPeerLink, string> badFrame, TimeProvider time, ILogger logger)
    : Actor<FleetMessage>("fleet", 4096, FullMailbox.Wait, time, logger)
{
    protected override ValueTask HandleAsync(FleetMessage message)
    {
        switch (message)
        {
            case TimePassed:
                control.Tick(now());
                break;
            case CopiesChanged:
                control.OnCopies(now());
                break;
            case StoreReplied replied:
                control.OnStoreReply(replied.Reply, now());
                break;
            case StoreChanged changed when changed.Generation == watchGeneration():
                control.OnWatch(changed.Batch, now());
                break;
            case FrameCame came:
                PeerFrameHeader.TryRead(came.Frame, out var header);
                if (control.OnFrame(came.Link, header, came.Frame, now()) is { } fault)
                {
                    badFrame(came.Link, fault);
                }

                break;
            case AddressProbed probed:
                control.OnProbed(probed.Peer, probed.IsReachable, now());
                break;
            case FleetWish wish:
                wish.Do(control);
                break;
            default:
                break;
        }

        return ValueTask.CompletedTask;
    }
}
