namespace ActorLb.Configuration;

/// <summary>What holds between a listener's settings, and between a listener and its pool.</summary>
internal static class ListenerChecks
{
    public static void Check(Section section, ListenerOptions listener, PoolOptions? pool)
    {
        if (listener.Protocol == ListenerProtocol.Tcp) CheckTcp(section, listener, pool);
        CheckTemplate(section, "require-client-id", listener, listener.RequireClientId);
        if (!listener.Rewrite.IsEmpty)
        {
            Section rewrite = section.Child("rewrite");
            CheckTemplate(rewrite, "client-id", listener, listener.Rewrite.ClientId);
            CheckTemplate(rewrite, "username", listener, listener.Rewrite.UserName);
            CheckTemplate(rewrite, "password", listener, listener.Rewrite.Password);
        }
        if (pool is not { Balance: BalanceKind.Hash }) return;
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

    /// <summary>Why the template's TLS variables would be empty; null when they are not.</summary>
    private static string? MissingTls(ListenerOptions listener, Template template)
    {
        if (!template.UsesTls) return null;
        if (listener.Tls is null) return "needs tls on the listener";
        bool client = template.Uses(Variable.SslClientSerial) || template.Uses(Variable.SslClientSubject)
            || template.Uses(Variable.SslClientCommonName) || template.Uses(Variable.SslClientFingerprint);
        return client && listener.Tls.VerifyClient == VerifyClient.Off ? "needs client certificates: set verify-client in tls" : null;
    }
}
