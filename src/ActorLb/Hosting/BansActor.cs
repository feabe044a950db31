using System.Collections.Immutable;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Supervision;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>Puts changed bans into force on the reactors, and ends the sessions of those that are newly named.</summary>
internal sealed partial class BansActor : SupervisedActor
{
    /// <summary>Slots looked at, and sessions ended, in one turn of a reactor.</summary>
    private const int Stretch = 4096, ClosedAtOnce = 256;

    private readonly IReadOnlyList<Reactor> _reactors;
    private readonly Func<ImmutableArray<Ban>> _read;
    private readonly ClientPlaces _places;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private bool _sweeps, _again;

    /// <param name="read">The bans in force.</param>
    public BansActor(IReadOnlyList<Reactor> reactors, Func<ImmutableArray<Ban>> read, ClientPlaces places, TimeProvider time, ILogger logger)
    {
        _reactors = reactors;
        _read = read;
        _places = places;
        _time = time;
        _logger = logger;
    }

    /// <summary>The orders may have changed.</summary>
    public sealed record Look
    {
        public static readonly Look Instance = new();
    }

    private sealed record Swept(int Closed, Exception? Failure);

    // Of a restart in the middle of a sweep too: nobody who is named may stay.
    protected override void Begin()
    {
        Apply();
        Sweep();
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case Look:
                if (Apply()) Sweep();
                return true;
            case Swept swept:
                _sweeps = false;
                if (swept.Closed > 0) Log.Closed(_logger, swept.Closed);
                if (swept.Failure is { } failure) throw failure;
                if (_again) Sweep();
                return true;
            default:
                return false;
        }
    }

    /// <returns>Whether somebody is named that was not.</returns>
    private bool Apply()
    {
        ImmutableArray<Ban> now = _read(), before = _places.Bans.Bans;
        if (now.SequenceEqual(before)) return false;
        _places.Bans = new BanList(now, _time);
        return now.Except(before).Any();
    }

    private void Sweep()
    {
        _again = _sweeps;
        if (_sweeps || _places.Bans.Bans.IsEmpty) return;
        _sweeps = true;
        _ = SweepAsync(_reactors, _places.Bans).PipeTo(Self, success: closed => new Swept(closed, null), failure: e => new Swept(0, e));
    }

    private static async Task<int> SweepAsync(IReadOnlyList<Reactor> reactors, BanList bans)
    {
        int closed = 0;
        foreach (var reactor in reactors)
        {
            bool more = true;
            for (int slot = 0; more;)
            {
                int from = slot;
                (int some, slot, more) = await reactor.AskAsync(r => CloseSome(r, bans, from)).ConfigureAwait(false);
                closed += some;
            }
        }
        return closed;
    }

    private static (int Closed, int Next, bool More) CloseSome(Reactor reactor, BanList bans, int from)
    {
        int end = Math.Min(reactor.Slots, from + Stretch), slot = from, closed = 0;
        for (; slot < end && closed < ClosedAtOnce; slot++)
        {
            // Whose PROXY header is still to come has its proxy's address.
            if (reactor.SessionAt(slot) is not { Phase: not (Phase.Lingering or Phase.ProxyHeader), Leaving: false } session || !bans.Names(session)) continue;
            closed++;
            if (session.Phase == Phase.Relay) reactor.Flow.Closer.Drain(session, DisconnectReason.AdministrativeAction, CloseReason.ClosedByBan);
            else if (session.ClientId is null) reactor.Flow.Close(session, CloseReason.Banned);
            else reactor.Flow.Closer.Refuse(session, CloseReason.Banned, Refusals.For(CloseReason.Banned));
        }
        return (closed, slot, slot < reactor.Slots);
    }

    private static partial class Log
    {
        [LoggerMessage(2209, LogLevel.Information, "{Sessions} sessions of banned clients were closed")]
        public static partial void Closed(ILogger logger, int sessions);
    }
}
