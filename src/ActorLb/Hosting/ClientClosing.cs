using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Hosting;

/// <summary>Closes all clients of a node that takes no new ones, evenly over a time.</summary>
/// <param name="open">Clients that are left, those that are being closed included.</param>
internal sealed class ClientClosing(IReadOnlyList<Reactor> reactors, Func<long> open, TimeProvider time)
{
    /// <summary>Ends when nobody is left, and when the time is over. Its last tenth is for clients that are slow to take their DISCONNECT.</summary>
    public async Task CloseAsync(TimeSpan within, DisconnectReason reason, CancellationToken cancel)
    {
        long start = time.GetTimestamp();
        var closing = within * 0.9;
        int total = (int)open(), closed = 0;
        // Once at least: without any time all are closed at once.
        for (int first = 0; open() > 0 && (first == 0 || time.GetElapsedTime(start) < within) && !cancel.IsCancellationRequested; first++)
        {
            var elapsed = time.GetElapsedTime(start);
            // Those that went by themselves count.
            int due = elapsed >= closing ? int.MaxValue : DrainPace.Due(total, elapsed, closing) - Math.Max(closed, total - (int)open());
            for (int i = 0; i < reactors.Count && due > 0; i++)
            {
                int portion = due;
                int some = await reactors[(first + i) % reactors.Count].AskAsync(r => CloseSome(r, portion, reason)).ConfigureAwait(false);
                due -= some;
                closed += some;
            }
            await Task.Delay(DrainPace.Step, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static int CloseSome(Reactor reactor, int portion, DisconnectReason reason)
    {
        Session[] some = [.. reactor.Sessions.Where(s => s.Phase != Phase.Lingering && !s.Leaving).Take(portion)];
        foreach (var session in some) reactor.Flow.Closer.Drain(session, reason, CloseReason.Drained);
        return some.Length;
    }
}
