using ActorLb.Configuration;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Limits;

namespace ActorLb.Proxying.Intake;

/// <summary>Whether a client may go on with the CONNECT that it has sent, rewritten where the listener says so. One that may not is refused.</summary>
internal sealed class ConnectChecks(NodeServices services, SessionCloser closer)
{
    /// <summary>The CONNECT is complete and valid. False when the client was refused.</summary>
    public bool Pass(Session session)
    {
        var setup = session.Setup!;
        session.ClientId = setup.Connect.ClientId.In(setup.Inbound.Bytes).ToArray();
        if (services.Probes.Has(session.ClientId))
        {
            // The probe that waits for the answer says so, with its backend.
            services.Probes.Arrived(session.ClientId, session.Listener.Name);
            return Refuse(session, CloseReason.Loop);
        }
        session.Reactor.Frequent.Count(session.ClientId, session.Reactor.Now);
        if (setup.Refusal != CloseReason.None) return Refuse(session, setup.Refusal);
        // As the client wrote them, and as its broker would see them.
        if (services.Places.IsBanned(session)) return TurnAway(session, CloseReason.Banned);
        NoteUserName(session);
        var options = session.ListenerState!.Options;
        if (options.RequireClientId is { } binding && !Matches(session, binding))
        {
            services.Refused.ClientIdMismatch(session, binding.Text);
            closer.Refuse(session, CloseReason.ClientIdMismatch, RefusalReason.ClientIdNotValid);
            return false;
        }
        if (!options.Rewrite.IsEmpty && !Rewrite(session, options.Rewrite)) return false;
        if (services.Damping is { } damping && session.ClientId.Length > 0 && damping.Refuses(KeyOf(session), session.Reactor.Now))
            return TurnAway(session, CloseReason.Damped);
        session.IdleByKeepAlive = options.IdleTimeout is null;
        session.IdleTimeout = IdleTimeouts.Of(options.IdleTimeout, setup.Connect.KeepAlive);
        return true;
    }

    private bool Rewrite(Session session, RewriteOptions rewrite)
    {
        if (ConnectRewrite.Apply(session, rewrite, out var refusal) is { } failure)
        {
            services.Refused.RewriteFailed(session, failure);
            closer.Refuse(session, CloseReason.RewriteFailed, refusal);
            return false;
        }
        NoteUserName(session);
        return !services.Places.IsBanned(session) || TurnAway(session, CloseReason.Banned);
    }

    private bool TurnAway(Session session, CloseReason reason)
    {
        services.Refused.TurnedAway(session, reason);
        return Refuse(session, reason);
    }

    private bool Refuse(Session session, CloseReason reason)
    {
        closer.Refuse(session, reason, Refusals.For(reason));
        return false;
    }

    /// <summary>For later bans: the name that the broker sees, or the client's own where that is taken out.</summary>
    private static void NoteUserName(Session session)
    {
        var name = session.Setup!.Connect.UserName;
        if (name.Length > 0) session.UserHash = BanList.HashOf(name.In(session.Setup.Inbound.Bytes));
    }

    private ulong KeyOf(Session session) => services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId);

    private static bool Matches(Session session, Template binding)
    {
        // One more byte than the id, so that a longer value is seen as such; texts of addresses want some room.
        var value = session.ClientId!.Length < 1024 ? stackalloc byte[1024] : new byte[session.ClientId.Length + 64];
        int length = Variables.Write(binding, session, value, out int empty);
        return length > 0 && empty == 0 && value[..length].SequenceEqual(session.ClientId);
    }
}
