using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Dialing;

/// <summary>Whose fault it is that a backend refused the upgrade to WebSocket.</summary>
internal enum UpgradeFault { Backends, Credentials, Unknown }

/// <summary>What a backend does wrong between its accept and its CONNACK: logged, counted against it, and the session goes to the next.</summary>
internal sealed partial class BackendFaults(NodeServices services, SessionCloser closer, Router router)
{
    private const string NoUpgrade = "it refused the WebSocket upgrade", NoConnack = "it answered a CONNECT with something other than a CONNACK";

    public void HandshakeFailed(Session session, string? reason)
    {
        string why = reason ?? "unknown";
        if (Admits(session, LogLevel.Warning, why)) Log.HandshakeFailed(services.Logger, session.Backend!.Id, session.Pool.Name, why);
        Fail(session, CloseReason.BackendsFailed, reason ?? "the TLS handshake failed");
    }

    /// <summary>A write has failed.</summary>
    /// <param name="errno">Why, of a connection without TLS.</param>
    public void NotSent(Session session, int errno)
    {
        bool plain = session.Upstream.Tls.IsNone;
        string why = plain ? Libc.ErrorText(errno) : TlsSession.LastError;
        if (Admits(session, LogLevel.Information, why)) Log.NotSent(services.Logger, session.Backend!.Id, session.Pool.Name, Part(session.Phase), why);
        if (plain && LocalFault.IsShortage(errno)) router.TryNext(session, CloseReason.LocalShortage);
        else Fail(session, CloseReason.BackendsFailed, why);
    }

    public void UpgradeRefused(Session session, int status, UpgradeError error)
    {
        if (Admits(session, LogLevel.Warning, error.Text())) Log.UpgradeRefused(services.Logger, session.Backend!.Id, session.Pool.Name, status, error.Text());
        switch (Judge(status, error, ofAClient: session.Setup!.UpgradeHead is not null))
        {
            case UpgradeFault.Backends:
                Fail(session, CloseReason.BackendProtocol, NoUpgrade);
                break;
            case UpgradeFault.Credentials:
                session.Traffic.Refusals++;
                Blame.Settle(session);
                session.Backend!.ReportSuccess(session.Reactor.Now);
                closer.Refuse(session, CloseReason.BackendRefused, RefusalReason.NotAuthorized);
                break;
            default:
                Blame.Defer(session, NoUpgrade);
                router.TryNext(session, CloseReason.BackendProtocol);
                break;
        }
    }

    /// <summary>
    /// A status of 400 to 499 blames the request (RFC 9110, 15.5), parts of which are the client's: one bad client must not eject the whole
    /// pool. Bad credentials are bad everywhere, as in a CONNACK.
    /// </summary>
    /// <param name="ofAClient">Parts of the request are a client's, or it is all this node's own.</param>
    public static UpgradeFault Judge(int status, UpgradeError error, bool ofAClient)
    {
        if (error != UpgradeError.Status || !ofAClient || status is < 400 or > 499) return UpgradeFault.Backends;
        return status is 401 or 403 ? UpgradeFault.Credentials : UpgradeFault.Unknown;
    }

    public void BadFrames(Session session, string why)
    {
        if (Admits(session, LogLevel.Warning, why)) Log.BadFrames(services.Logger, session.Backend!.Id, session.Pool.Name, why);
        Fail(session, CloseReason.BackendProtocol, why);
    }

    public void BadReply(Session session, ConnackError error)
    {
        if (Admits(session, LogLevel.Warning, "other answers than a CONNACK")) Log.BadReply(services.Logger, session.Backend!.Id, session.Pool.Name, error);
        Fail(session, CloseReason.BackendProtocol, NoConnack);
    }

    public void ClosedEarly(Session session)
    {
        Blame.Defer(session, "it closed the connection before its CONNACK");
        if (Admits(session, LogLevel.Information, "closed before its CONNACK")) Log.ClosedEarly(services.Logger, session.Backend!.Id, session.Pool.Name);
        router.TryNext(session, CloseReason.BackendsFailed);
    }

    private void Fail(Session session, CloseReason reason, string why)
    {
        Blame.Now(session, why);
        router.TryNext(session, reason);
    }

    private bool Admits(Session session, LogLevel level, string reason) => services.LogLimit.Admits(level, "backend", session.Backend!.Id, reason);

    private static string Part(Phase phase) => phase switch
    {
        Phase.BackendPreamble => "the PROXY header",
        Phase.BackendUpgrade => "the upgrade request",
        _ => "the first bytes",
    };

    private static partial class Log
    {
        [LoggerMessage(1401, LogLevel.Warning, "backend {Backend} of pool {Pool} answered a CONNECT with something other than a CONNACK: {Reason}")]
        public static partial void BadReply(ILogger logger, string backend, string pool, ConnackError reason);

        [LoggerMessage(1402, LogLevel.Information, "backend {Backend} of pool {Pool} closed the connection before its CONNACK")]
        public static partial void ClosedEarly(ILogger logger, string backend, string pool);

        [LoggerMessage(1404, LogLevel.Warning, "backend {Backend} of pool {Pool} refused the upgrade with status {Status}: {Reason}")]
        public static partial void UpgradeRefused(ILogger logger, string backend, string pool, int status, string reason);

        [LoggerMessage(1405, LogLevel.Information, "backend {Backend} of pool {Pool} did not accept {Part}: {Reason}")]
        public static partial void NotSent(ILogger logger, string backend, string pool, string part, string reason);

        [LoggerMessage(1406, LogLevel.Warning, "backend {Backend} of pool {Pool} sent no CONNACK: {Reason}")]
        public static partial void BadFrames(ILogger logger, string backend, string pool, string reason);

        [LoggerMessage(1403, LogLevel.Warning, "backend {Backend} of pool {Pool}: TLS handshake failed: {Reason}")]
        public static partial void HandshakeFailed(ILogger logger, string backend, string pool, string reason);
    }
}
