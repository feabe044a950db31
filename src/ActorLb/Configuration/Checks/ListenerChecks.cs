using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Checks;

/// <summary>Checks between a listener's settings, and between a listener and its pool.</summary>
internal static class ListenerChecks
{
    private static readonly TimeSpan UsualSilence = TimeSpan.FromSeconds(90);

    public static void Check(Section section, ListenerOptions listener, PoolOptions? pool)
    {
        if (listener.Protocol == ListenerProtocol.Tcp) CheckTcp(section, listener, pool);
        CheckIdle(section, listener);
        CheckTemplate(section, "require-client-id", listener, listener.RequireClientId);
        CheckIdentity(section, "require-client-id", listener, listener.RequireClientId);
        if (!listener.Rewrite.IsEmpty)
        {
            var rewrite = section.Child("rewrite");
            CheckTemplate(rewrite, "client-id", listener, listener.Rewrite.ClientId);
            CheckIdentity(rewrite, "client-id", listener, listener.Rewrite.ClientId);
            CheckTemplate(rewrite, "username", listener, listener.Rewrite.UserName);
            CheckTemplate(rewrite, "password", listener, listener.Rewrite.Password);
        }
        if (pool is not { Balance: BalanceKind.Hash }) return;
        if (pool.HashKey.IsConstant)
        {
            section.Report.Warn(
                section.PositionOf("pool"), section.PathOf("pool"), listener.Pool, $"hashes {pool.HashKey.Text}, which is the same for all clients: all of them go to one backend");
        }
        if (MissingTls(listener, pool.HashKey) is { } reason)
        {
            section.Report.Error(
                section.PositionOf("pool"), section.PathOf("pool"), listener.Pool, $"hashes {pool.HashKey.Text}, which {reason}");
        }
    }

    private static void CheckTcp(Section section, ListenerOptions listener, PoolOptions? pool)
    {
        Refuse("websocket", listener.WebSocket is not null, "needs protocol = mqtt");
        Refuse("rewrite", !listener.Rewrite.IsEmpty, "needs protocol = mqtt: with tcp no CONNECT is read");
        Refuse("require-client-id", listener.RequireClientId is not null, "needs protocol = mqtt: with tcp no CONNECT is read");
        if (pool is null) return;
        Refuse("pool", pool.Balance == BalanceKind.Sticky, "balances by client id (sticky), which protocol = tcp does not read");
        bool mqtt = pool.HashKey.Uses(Variable.MqttClientId) || pool.HashKey.Uses(Variable.MqttUserName);
        Refuse("pool", pool.Balance == BalanceKind.Hash && mqtt, $"hashes {pool.HashKey.Text}, which protocol = tcp does not read");
        Refuse("pool", pool.WebSocketPath is not null, "speaks WebSocket to its backends, which needs protocol = mqtt");

        void Refuse(string key, bool wrong, string reason)
        {
            if (!wrong) return;
            string? value = key == "pool" ? listener.Pool : null;
            section.Report.Error(section.PositionOf(key), section.PathOf(key), value, reason);
        }
    }

    private static void CheckTemplate(Section section, string key, ListenerOptions listener, Template? template)
    {
        if (template is null || MissingTls(listener, template) is not { } reason) return;
        section.Report.Error(section.PositionOf(key), section.PathOf(key), null, $"uses a variable that {reason}");
    }

    /// <summary>Brokers disconnect a client when another one connects with its id (MQTT 5, 3.1.4).</summary>
    private static void CheckIdentity(Section section, string key, ListenerOptions listener, Template? template)
    {
        if (template is null) return;
        if (template.IsConstant)
        {
            Warn("gives all clients the same client id: each one disconnects the previous one");
        }
        else if (template.IsOfAddress)
        {
            Warn("gives all clients behind one address the same client id: each one disconnects the previous one");
        }
        else if (key == "client-id" && MayBeEmpty(listener, template) is { } reason)
        {
            Warn($"refuses clients {reason}: with an empty variable all of them would get the same client id");
        }

        void Warn(string reason) => section.Report.Warn(section.PositionOf(key), section.PathOf(key), template.Text, reason);
    }

    /// <summary>Which clients have no value for a template that also has fixed text; null when there are none, or their value is
    /// simply empty.</summary>
    private static string? MayBeEmpty(ListenerOptions listener, Template template)
    {
        if (template.Parts.Length == 1) return null;
        if (template.Uses(Variable.MqttClientId)) return "without a client id";
        if (template.Uses(Variable.MqttUserName)) return "without a user name";
        return listener.Tls is { VerifyClient: VerifyClient.Optional } && UsesCertificate(template) ? "without a certificate" : null;
    }

    /// <summary>Keep Alive is 60 s in most client libraries, and a client may be silent for one and a half times as long.</summary>
    private static void CheckIdle(Section section, ListenerOptions listener)
    {
        if (listener.Protocol != ListenerProtocol.Mqtt || listener.IdleTimeout is not { } idle || idle == TimeSpan.Zero || idle >= UsualSilence) return;
        section.Report.Warn(
            section.PositionOf("idle-timeout"), section.PathOf("idle-timeout"), Hocon.HoconUnits.FormatDuration(idle),
            "is shorter than 1.5 times the usual Keep Alive of 60s: idle but healthy clients are disconnected; auto uses each client's own Keep Alive");
    }

    private static bool UsesCertificate(Template template) =>
        template.Uses(Variable.SslClientSerial) || template.Uses(Variable.SslClientSubject)
        || template.Uses(Variable.SslClientCommonName) || template.Uses(Variable.SslClientFingerprint);

    /// <summary>Why the template's TLS variables would be empty; null when they would not.</summary>
    private static string? MissingTls(ListenerOptions listener, Template template)
    {
        if (!template.UsesTls) return null;
        if (listener.Tls is null) return "needs tls on the listener";
        return UsesCertificate(template) && listener.Tls.VerifyClient == VerifyClient.Off ? "needs client certificates: set verify-client in tls" : null;
    }
}
