using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Effective;

/// <summary>
/// The options as HOCON, with every key, in a stable order. The text loads again to the same options; secrets are written as
/// stars unless requested. Options are equal when their texts are, which <see cref="ConfigurationDiff"/> relies on.
/// </summary>
internal static class EffectiveConfiguration
{
    public static string Render(ActorLbOptions options, bool showSecrets = false) => Write(options, showSecrets).ToString();

    public static ConfigurationWriter Write(ActorLbOptions options, bool showSecrets)
    {
        var writer = new ConfigurationWriter(showSecrets);
        writer.Begin("actorlb");
        WriteNode(writer, options.Node);
        WriteLog(writer, options.Log);
        WriteTelemetry(writer, options.Telemetry);
        writer.Begin("admin");
        writer.Text("bind", options.Admin.Bind.ToString());
        writer.Text("token-file", options.Admin.TokenFile);
        WriteServiceTls(writer, options.Admin.Tls);
        writer.End();
        WriteCluster(writer, options.Cluster);
        writer.Begin("sticky");
        writer.Duration("ttl", options.Sticky.Ttl);
        writer.Number("max-entries", options.Sticky.MaxEntries);
        WriteDamping(writer, options.Sticky.Damping);
        writer.End();
        writer.Begin("pools");
        foreach (var pool in options.Pools.Values.OrderBy(p => p.Name, StringComparer.Ordinal)) EffectivePool.Write(writer, pool);
        writer.End();
        writer.Begin("listeners");
        foreach (var listener in options.Listeners.Values.OrderBy(l => l.Name, StringComparer.Ordinal))
        {
            EffectiveListener.Write(writer, listener);
        }
        writer.End();
        writer.End();
        options.Akka.Write(writer);
        return writer;
    }

    private static void WriteDamping(ConfigurationWriter writer, DampingOptions? damping)
    {
        if (damping is null)
        {
            writer.Raw("damping", "off");
            return;
        }
        writer.Begin("damping");
        writer.Number("takeovers", damping.Takeovers);
        writer.Duration("within", damping.Within);
        writer.Duration("delay", damping.Delay);
        writer.End();
    }

    private static void WriteNode(ConfigurationWriter writer, NodeOptions node)
    {
        writer.Begin("node");
        writer.Text("name", node.Name);
        if (node.Workers == 0) writer.Raw("workers", "auto");
        else writer.Number("workers", node.Workers);
        writer.Name("data-plane", node.DataPlane, ConfigurationNames.DataPlanes);
        writer.Number("max-connections", node.MaxConnections);
        if (node.SetupMemory == 0) writer.Raw("setup-memory", "auto");
        else writer.Size("setup-memory", node.SetupMemory);
        writer.Text("data-dir", node.DataDirectory);
        writer.Duration("drain-timeout", node.DrainTimeout);
        if (node.PidFile is null) writer.Raw("pid-file", "off");
        else writer.Text("pid-file", node.PidFile);
        writer.Name("will", node.Will, ConfigurationNames.Will);
        writer.Text("server-reference", node.ServerReference);
        writer.End();
    }

    private static void WriteLog(ConfigurationWriter writer, LogOptions log)
    {
        writer.Begin("log");
        writer.Name("level", log.Level, ConfigurationNames.LogLevel);
        writer.Name("format", log.Format, ConfigurationNames.LogFormats);
        if (log.Access is null) writer.Raw("access", "off");
        else writer.Text("access", log.Access);
        writer.End();
    }

    private static void WriteTelemetry(ConfigurationWriter writer, TelemetryOptions telemetry)
    {
        var otlp = telemetry.Otlp;
        writer.Begin("telemetry");
        writer.Begin("otlp");
        writer.Text("endpoint", otlp.Endpoint?.ToString());
        writer.Name("protocol", otlp.Protocol, ConfigurationNames.OtlpProtocols);
        writer.Duration("interval", otlp.Interval);
        writer.Text("headers-file", otlp.HeadersFile);
        writer.Begin("traces");
        writer.Raw("sample", TelemetryReader.Percent(otlp.Sample));
        writer.End();
        writer.End();
        writer.End();
    }

    private static void WriteCluster(ConfigurationWriter writer, ClusterOptions cluster)
    {
        writer.Begin("cluster");
        writer.Text("name", cluster.Name);
        writer.Text("bind", cluster.Bind.ToString());
        writer.Text("advertise", cluster.Advertise is { } host ? AddressText.Format(host) : null);
        writer.Text("zone", cluster.Zone);
        writer.Text("secret-file", cluster.SecretFile);
        WriteServiceTls(writer, cluster.Tls);
        writer.Texts("seeds", cluster.Seeds.Select(AddressText.Format));
        writer.Duration("down-after", cluster.DownAfter);
        writer.Duration("form-after", cluster.FormAfter);
        writer.Name("when-split", cluster.WhenSplit, ConfigurationNames.WhenSplit);
        writer.Number("shards", cluster.Shards);
        writer.End();
    }

    private static void WriteServiceTls(ConfigurationWriter writer, ServiceTlsOptions? tls)
    {
        if (tls is null)
        {
            writer.Raw("tls", "off");
            return;
        }
        writer.Begin("tls");
        writer.Text("certificate", tls.Certificate);
        writer.Text("key", tls.Key);
        writer.Text("ca", tls.Ca);
        writer.End();
    }
}
