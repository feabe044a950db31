using System.Diagnostics;
using System.Text;
using ActorLb.Native;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.ProxyProtocol;
using ActorLb.Protocol.Text;
using ActorLb.Protocol.WebSocket;
using ActorLb.Telemetry;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Limits;

/// <summary>Logs why clients are turned away. Any client can cause these lines, as often as it likes: they are bounded
/// by listener and reason.</summary>
internal sealed partial class RefusalLog(ILogger logger, LogLimit limit)
{
    /// <summary>Client ids that devices fight over of which each has a line of its own.</summary>
    private const int FightsASecond = 5;

    /// <summary>Bytes of a client id that a line shows.</summary>
    private const int LongestId = 128;

    private readonly ConnectRate _fights = ConnectRate.Create(FightsASecond)!;

    /// <summary>For what is decided before the client has said a word: a limit, a network.</summary>
    public void TurnedAway(Session session, CloseReason reason)
    {
        string text = CloseReasons.Text(reason);
        if (Admits(session, text)) Log.TurnedAway(logger, session.Remote, session.Listener.Name, text);
    }

    public void Displaced(Session session, CloseReason full, long waited)
    {
        if (Admits(session, CloseReasons.Text(CloseReason.Displaced)))
            Log.Displaced(logger, session.Remote, session.Listener.Name, CloseReasons.Text(full), waited);
    }

    public void OutOfSetupMemory(Session session, SetupBudget budget)
    {
        if (Admits(session, CloseReasons.Text(CloseReason.SetupMemory), LogLevel.Warning))
            Log.OutOfSetupMemory(logger, session.Remote, session.Listener.Name, session.Setup!.Held / 1024, budget.Held / 1024);
    }

    public void BadProxyHeader(Session session, ProxyError error)
    {
        if (Admits(session, error.Text(), LogLevel.Warning)) Log.BadProxyHeader(logger, session.Remote, session.Listener.Name, error.Text());
    }

    public void OwnConnection(Session session, string pool, string backend)
    {
        if (limit.Admits(LogLevel.Error, "pool", pool, $"{backend} is this node itself"))
            Log.OwnConnection(logger, pool, backend, session.Listener.Name, session.Remote);
    }

    public void HandshakeFailed(Session session, string reason)
    {
        string hint = SpokenProtocols.Hint(session.Setup!.Speaks, SpokenProtocol.Tls);
        if (Admits(session, Joined(hint, reason))) Log.HandshakeFailed(logger, session.Remote, session.Listener.Name, hint, reason);
    }

    public void BadUpgrade(Session session, UpgradeError error)
    {
        string hint = Hint(session, SpokenProtocol.Http);
        if (Admits(session, Joined(hint, error.Text()))) Log.BadUpgrade(logger, session.Remote, session.Listener.Name, hint, error.Text());
    }

    public void BadConnect(Session session, ConnectError error)
    {
        string hint = Hint(session, SpokenProtocol.Mqtt);
        if (!Admits(session, Joined(hint, error.Text()))) return;
        string reason = error == ConnectError.PacketTooLarge
            ? $"{error.Text()}: {session.Setup!.Connect.TotalLength} bytes of at most {session.ListenerState!.Options.MaxPacketSize}" : error.Text();
        Log.BadConnect(logger, session.Remote, session.Listener.Name, hint, reason);
    }

    public void ClientIdMismatch(Session session, string template)
    {
        if (Admits(session, "the client id is not " + template)) Log.ClientIdMismatch(logger, session.Remote, session.Listener.Name, template);
    }

    public void RewriteFailed(Session session, string reason)
    {
        if (Admits(session, reason)) Log.RewriteFailed(logger, session.Remote, session.Listener.Name, reason);
    }

    /// <summary>Once for each id that is fought over; those beyond some a second are counted.</summary>
    public void Damped(Session session, Configuration.DampingOptions options)
    {
        if (!_fights.TryTake(Stopwatch.GetTimestamp()) && !limit.Admits(LogLevel.Warning, "pool", session.Pool.Name, "client ids that devices fight over")) return;
        string id = Encoding.UTF8.GetString(session.ClientId.AsSpan(0, Math.Min(session.ClientId!.Length, LongestId)));
        Log.Damped(logger, SafeText.Of(id), session.Pool.Name, options.Takeovers, options.Within.TotalSeconds, session.Remote, options.Delay.TotalSeconds);
    }

    /// <summary>What the client speaks instead of what is wanted, in words that follow the listener's name.</summary>
    private static string Hint(Session session, SpokenProtocol wanted) =>
        SpokenProtocols.Hint(SpokenProtocols.Guess(session.Setup!.Inbound.Bytes), wanted);

    private static string Joined(string hint, string reason) => hint.Length == 0 ? reason : $"it{hint}: {reason}";

    private bool Admits(Session session, string reason, LogLevel level = LogLevel.Information) =>
        limit.Admits(level, "listener", session.Listener.Name, reason);

    private static partial class Log
    {
        [LoggerMessage(1208, LogLevel.Warning, "client id \"{ClientId}\" of pool {Pool}: its broker ended {Takeovers} sessions within {Within} s: devices fight over it, the last from {Remote}. Its CONNECTs are refused for {Delay} s each time (sticky.damping)")]
        public static partial void Damped(ILogger logger, string clientId, string pool, int takeovers, double within, NetEndPoint remote, double delay);

        [LoggerMessage(1112, LogLevel.Error, "pool {Pool}: backend {Backend} is this node itself: a connection to it arrived at listener {Listener} again, with the PROXY header of the client {Remote}, and was closed")]
        public static partial void OwnConnection(ILogger logger, string pool, string backend, string listener, NetEndPoint remote);

        [LoggerMessage(1103, LogLevel.Information, "{Remote} on listener {Listener} makes room for a newer client ({Full}): it has sent no CONNECT for {Milliseconds} ms")]
        public static partial void Displaced(ILogger logger, NetEndPoint remote, string listener, string full, long milliseconds);

        [LoggerMessage(1104, LogLevel.Warning, "{Remote} on listener {Listener} makes room with its {Own} KiB: node.setup-memory is used up by {Held} KiB of clients without CONNACK, and it is the oldest of the largest")]
        public static partial void OutOfSetupMemory(ILogger logger, NetEndPoint remote, string listener, long own, long held);

        [LoggerMessage(1201, LogLevel.Information, "{Remote} on listener {Listener}{Hint}: CONNECT refused: {Reason}")]
        public static partial void BadConnect(ILogger logger, NetEndPoint remote, string listener, string hint, string reason);

        [LoggerMessage(1202, LogLevel.Warning, "{Remote} on listener {Listener}: PROXY header refused: {Reason}")]
        public static partial void BadProxyHeader(ILogger logger, NetEndPoint remote, string listener, string reason);

        [LoggerMessage(1203, LogLevel.Information, "{Remote} on listener {Listener}{Hint}: TLS handshake failed: {Reason}")]
        public static partial void HandshakeFailed(ILogger logger, NetEndPoint remote, string listener, string hint, string reason);

        [LoggerMessage(1204, LogLevel.Information, "{Remote} on listener {Listener}: the client id is not {Template}")]
        public static partial void ClientIdMismatch(ILogger logger, NetEndPoint remote, string listener, string template);

        [LoggerMessage(1205, LogLevel.Information, "{Remote} on listener {Listener}: rewrite failed: {Reason}")]
        public static partial void RewriteFailed(ILogger logger, NetEndPoint remote, string listener, string reason);

        [LoggerMessage(1206, LogLevel.Information, "{Remote} on listener {Listener}{Hint}: upgrade refused: {Reason}")]
        public static partial void BadUpgrade(ILogger logger, NetEndPoint remote, string listener, string hint, string reason);

        [LoggerMessage(1207, LogLevel.Information, "{Remote} on listener {Listener}: refused: {Reason}")]
        public static partial void TurnedAway(ILogger logger, NetEndPoint remote, string listener, string reason);
    }
}
