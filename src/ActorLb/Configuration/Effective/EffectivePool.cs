using System.Globalization;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Effective;

/// <summary>A pool as HOCON.</summary>
internal static class EffectivePool
{
    public static void Write(ConfigurationWriter writer, PoolOptions pool)
    {
        writer.Begin(pool.Name);
        writer.Name("balance", pool.Balance, ConfigurationNames.Balance);
        writer.Template("hash-key", pool.HashKey);
        writer.Name("place", pool.Place, ConfigurationNames.Place);
        WriteBackends(writer, pool);
        writer.Duration("connect-timeout", pool.ConnectTimeout);
        writer.Name("proxy-protocol", pool.ProxyProtocol, ConfigurationNames.ProxyProtocol);
        writer.Raw("proxy-protocol-tlvs", $"[{string.Join(", ", ConfigurationNames.NamesIn(ConfigurationNames.Tlvs, pool.ProxyTlvs))}]");
        WriteSources(writer, pool);
        WriteWebSocket(writer, pool.WebSocketPath);
        WriteTls(writer, pool.Tls);
        writer.Begin("health");
        writer.Name("probe", pool.Health.Probe, ConfigurationNames.Probe);
        writer.Duration("interval", pool.Health.Interval);
        writer.Duration("timeout", pool.Health.Timeout);
        writer.Number("rise", pool.Health.Rise);
        writer.Number("fall", pool.Health.Fall);
        writer.Text("path", pool.Health.Path);
        writer.Number("port", pool.Health.Port);
        writer.Name("on-503", pool.Health.On503, ConfigurationNames.On503);
        writer.Duration("grace", pool.Health.Grace);
        writer.End();
        writer.Begin("retry");
        writer.Number("tries", pool.Retry.Tries);
        writer.Duration("timeout", pool.Retry.Timeout);
        writer.End();
        writer.Number("connects-per-second", pool.ConnectsPerSecond);
        writer.Begin("connect-queue");
        writer.Raw("length", pool.ConnectQueue.Length == 0 ? "auto" : pool.ConnectQueue.Length.ToString(CultureInfo.InvariantCulture));
        writer.Duration("timeout", pool.ConnectQueue.Timeout);
        writer.End();
        writer.Name("on-down", pool.OnDown, ConfigurationNames.OnDown);
        writer.Size("buffer-size", pool.BufferSize);
        writer.Begin("tcp");
        writer.Flag("no-delay", pool.Tcp.NoDelay);
        writer.Duration("keep-alive", pool.Tcp.KeepAlive);
        writer.Duration("user-timeout", pool.Tcp.UserTimeout);
        writer.End();
        writer.End();
    }

    private static void WriteBackends(ConfigurationWriter writer, PoolOptions pool)
    {
        if (pool.Discovery is { } discovery)
        {
            writer.Begin("backends");
            if (discovery is DnsDiscoveryOptions dns) WriteDns(writer, dns);
            else if (discovery is EmqxDiscoveryOptions emqx) WriteEmqx(writer, emqx);
            writer.Duration("interval", discovery.Interval);
            WriteSettings(writer, discovery.Template);
            writer.End();
            foreach (var added in pool.Backends) writer.Comment($"added at run time: {AddressText.Format(added.Address)}");
            return;
        }
        writer.BeginArray("backends");
        for (int i = 0; i < pool.Backends.Length; i++)
        {
            var backend = pool.Backends[i];
            writer.BeginElement("backends", i);
            if (backend.Added) writer.Comment("added at run time (pbm pool add), not by the file");
            writer.Text("address", AddressText.Format(backend.Address));
            WriteSettings(writer, backend);
            writer.Flag("down", backend.Down);
            writer.Flag("backup", backend.Backup);
            writer.EndElement();
        }
        writer.EndArray();
    }

    private static void WriteDns(ConfigurationWriter writer, DnsDiscoveryOptions dns)
    {
        writer.Text("dns", dns.Name);
        writer.Number("port", dns.Port);
        writer.Flag("srv", dns.Srv);
    }

    private static void WriteEmqx(ConfigurationWriter writer, EmqxDiscoveryOptions emqx)
    {
        writer.Begin("emqx");
        writer.Texts("api", emqx.Apis.Select(a => a.OriginalString));
        writer.Text("key-file", emqx.KeyFile);
        writer.Text("ca", emqx.Ca);
        writer.Flag("verify", emqx.Verify);
        writer.Flag("seed", emqx.Seed);
        writer.End();
        writer.Number("port", emqx.Port);
    }

    private static void WriteSettings(ConfigurationWriter writer, BackendOptions backend)
    {
        writer.Number("weight", backend.Weight);
        writer.Number("max-fails", backend.MaxFails);
        writer.Duration("fail-timeout", backend.FailTimeout);
        writer.Number("max-connections", backend.MaxConnections);
        writer.Duration("slow-start", backend.SlowStart);
    }

    private static void WriteSources(ConfigurationWriter writer, PoolOptions pool)
    {
        writer.BeginArray("source-addresses");
        for (int i = 0; i < pool.SourceAddresses.Length; i++)
        {
            var source = pool.SourceAddresses[i];
            writer.BeginElement("source-addresses", i);
            writer.Text("address", source.Address.ToString());
            writer.Raw("share", source.Share is { } share ? string.Create(CultureInfo.InvariantCulture, $"{share:R}%") : "null");
            writer.EndElement();
        }
        writer.EndArray();
    }

    private static void WriteWebSocket(ConfigurationWriter writer, string? path)
    {
        if (path is null)
        {
            writer.Raw("websocket", "off");
            return;
        }
        writer.Begin("websocket");
        writer.Text("path", path);
        writer.End();
    }

    private static void WriteTls(ConfigurationWriter writer, UpstreamTlsOptions? tls)
    {
        if (tls is null)
        {
            writer.Raw("tls", "off");
            return;
        }
        writer.Begin("tls");
        writer.Text("ca", tls.Ca);
        writer.Text("server-name", tls.ServerName);
        writer.Flag("verify", tls.Verify);
        writer.Text("certificate", tls.Certificate);
        writer.Text("key", tls.Key);
        writer.End();
    }
}
