using System.Diagnostics;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// Who counts among max-connections. A client has a place of the node's and one of its listener's from its accept to its end. One
/// that is refused gives back both at once, and what it held of its address's: until it has its answer it is one of a bounded number
/// of others like it, of whom the oldest goes first. One that has not sent its CONNECT keeps its place only while others are free.
/// </summary>
internal sealed class ClientPlaces(NodeAdmission admission)
{
    /// <summary>How long a client has for its CONNECT before it gives way to a newer one, where no place is free (milliseconds): time
    /// for a handshake over a slow network, so that clients which come at the same moment do not drive each other out.</summary>
    public const int GiveWayAfter = 250;

    private long _bannedAddresses, _bannedNames;

    /// <summary>In force from the next client on.</summary>
    public volatile BanList Bans = BanList.Empty;

    /// <summary>Clients turned away because of a ban of their address, and of their client id or user name.</summary>
    public long BannedAddresses => Interlocked.Read(ref _bannedAddresses);

    public long BannedNames => Interlocked.Read(ref _bannedNames);

    /// <summary>Whether the client's address is refused, by the listener's lists or a ban.</summary>
    public bool IsUnwanted(Session session)
    {
        if (session.ListenerState!.Refuses(session.Remote)) return true;
        var bans = Bans;
        if (!bans.HasAddresses || !bans.HasAddress(session.Remote)) return false;
        Interlocked.Increment(ref _bannedAddresses);
        return true;
    }

    /// <summary>Whether the client's id or user name is banned, as its CONNECT has them now.</summary>
    public bool IsBanned(Session session)
    {
        var bans = Bans;
        if (!bans.HasNames) return false;
        var setup = session.Setup!;
        if (!bans.HasClientId(session.ClientId) && !bans.HasUserName(setup.Connect.UserName.In(setup.Inbound.Bytes))) return false;
        Interlocked.Increment(ref _bannedNames);
        return true;
    }

    /// <summary>None, or why the client's address may not come in now.</summary>
    public CloseReason Judge(Session session)
    {
        var listening = session.ListenerState!;
        if (IsUnwanted(session)) return CloseReason.Banned;
        if (listening.Addresses is { } limits)
        {
            var over = limits.TryEnter(session.Remote);
            if (over != CloseReason.None) return over;
            session.CountsForAddress = true;
        }
        return listening.Rate is null || listening.Rate.TryTake(Stopwatch.GetTimestamp()) ? CloseReason.None : CloseReason.ConnectRate;
    }

    /// <summary>None when the client has its places, or why not.</summary>
    public CloseReason Take(Session session)
    {
        if (admission.Draining) return CloseReason.Draining;
        if (admission.MemoryShort) return CloseReason.MemoryShort;
        if (!admission.TryEnter()) return CloseReason.NodeFull;
        if (!session.Listener.TryEnter(session.ListenerState!.Options.MaxConnections))
        {
            admission.Leave();
            return CloseReason.ListenerFull;
        }
        session.HasPlace = true;
        return CloseReason.None;
    }

    /// <summary>Who has waited long enough to give way to a client that found no place; null when nobody has.</summary>
    public static Session? WhoGivesWay(Reactor reactor, ListenerSocket socket, CloseReason full)
    {
        var waits = full switch
        {
            CloseReason.ListenerFull => socket.Unconnected.Oldest,
            CloseReason.NodeFull => reactor.LongestUnconnected(),
            _ => null,
        };
        return waits is not null && reactor.Now - waits.AcceptedAt >= GiveWayAfter ? waits : null;
    }

    /// <summary>The client is refused and gets an answer: it counts as such from now on.</summary>
    /// <returns>The session to close, to make room for it among those that wait for their answer; null where there is room.</returns>
    public Session? Refuse(Session session)
    {
        var reactor = session.Reactor;
        if (session.Within == reactor.Refused) return null;
        var oldest = reactor.Refused.Count >= admission.RefusedOnAReactor ? reactor.Refused.Oldest : null;
        Leave(session);
        reactor.Refused.Add(session);
        reactor.Counters.Refused++;
        return oldest;
    }

    /// <summary>Gives back all that the session counts for.</summary>
    public void Leave(Session session)
    {
        var reactor = session.Reactor;
        if (session.Within == reactor.Refused) reactor.Counters.Refused--;
        session.Within?.Remove(session);
        if (session.CountsForAddress) session.ListenerState!.Addresses?.Leave(session.Remote);
        session.CountsForAddress = false;
        if (!session.HasPlace) return;
        session.HasPlace = false;
        session.Listener.Leave();
        admission.Leave();
    }
}
