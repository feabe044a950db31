using ActorLb.Configuration;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Routing;

/// <summary>How long a session gives a backend, and whether it may go to another.</summary>
internal static class TryTimes
{
    /// <summary>No dial is cut short below this (milliseconds): far hosts, and a SYN that has to be sent again, take so long.</summary>
    private const int ShortestDial = 1_500;

    /// <summary>
    /// How long a dial may take (milliseconds): connect-timeout; while there is another backend to go to, only this try's part of
    /// it (or of the time left for retries, if that is less), for a host that is gone would use up all of it. A time too short to be
    /// parted is left whole. A try by grace has its own end.
    /// </summary>
    public static long OfDial(Session session)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        var options = session.Pool.Options;
        if (setup.TryEnds != 0) return Math.Max(1, setup.TryEnds - reactor.Now);
        double limit = options.ConnectTimeout.TotalMilliseconds;
        int triesLeft = Math.Min(options.Retry.Tries, Setup.MaxTries) - setup.TriedCount + 1;
        if (triesLeft <= 1 || !BackendChoice.HasAnother(session)) return (long)limit;
        double timeLeft = Math.Min(limit, options.Retry.Timeout.TotalMilliseconds - (reactor.Now - setup.FirstTryAt));
        return timeLeft <= ShortestDial ? (long)limit : (long)Math.Min(limit, Math.Max(timeLeft / triesLeft, ShortestDial));
    }

    /// <summary>Whether a session whose backend failed may go to another: within tries and time, and while it is not bound to that one.</summary>
    public static bool AllowAnother(Session session)
    {
        var setup = session.Setup!;
        var retry = session.Pool.Options.Retry;
        return !setup.Committed && setup.TriedCount < Math.Min(retry.Tries, Setup.MaxTries)
            && session.Reactor.Now - setup.FirstTryAt < retry.Timeout.TotalMilliseconds;
    }

    /// <summary>How long a connected backend may take for its CONNACK (milliseconds).</summary>
    public static long OfGreeting(Session session) =>
        session.Setup!.TryEnds != 0 ? Math.Max(1, session.Setup.TryEnds - session.Reactor.Now) : (long)session.Pool.Options.ConnectTimeout.TotalMilliseconds;
}
