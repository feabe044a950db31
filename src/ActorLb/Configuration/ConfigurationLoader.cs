using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Checks;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Configuration;

/// <summary>Loads a configuration file into <see cref="ActorLbOptions"/>, all or nothing, and reports every error in it.</summary>
internal static class ConfigurationLoader
{
    private static readonly string[] Blocks = ["node", "log", "telemetry", "admin", "cluster", "sticky", "pools", "listeners"];

    /// <param name="environment">Fallback for substitutions; null for the environment of the process.</param>
    /// <param name="pipes">Whether the file may be a pipe, such as /dev/stdin.</param>
    public static ConfigurationResult Load(string path, IReadOnlyDictionary<string, string>? environment = null, bool pipes = false) =>
        Load(HoconReader.ReadFile(path, environment, pipes), new ConfigurationReport(path));

    /// <param name="file">Used in positions; relative names are relative to its directory.</param>
    public static ConfigurationResult LoadText(string text, string file, IReadOnlyDictionary<string, string>? environment = null) =>
        Load(HoconReader.ReadText(text, file, environment), new ConfigurationReport(file));

    public static ConfigurationResult Load(HoconResult source, ConfigurationReport report)
    {
        foreach (var error in source.Errors) report.Error(error.Position, error.Path, null, error.Reason);
        foreach (var warning in source.Warnings) report.Warn(warning.Position, warning.Path, null, warning.Reason);
        report.Incomplete = report.HasErrors;
        var options = (source.Root ?? source.Rest) is { } root ? Read(root, report) : null;
        return new ConfigurationResult(report.HasErrors ? null : options, report.Errors, report.Warnings, report.Positions) { Readable = options };
    }

    private static ActorLbOptions Read(HoconObject file, ConfigurationReport report)
    {
        var whole = new Section(file, "", report);
        var root = whole.Child("actorlb");
        CheckTop(file, whole);
        if (whole.Get("actorlb") is { } own) PastedValues.Check(own, "actorlb", report);
        var node = NodeReader.ReadNode(root.Child("node"));
        var log = NodeReader.ReadLog(root.Child("log"));
        var telemetry = TelemetryReader.Read(root.Child("telemetry"));
        var admin = NodeReader.ReadAdmin(root.Child("admin"));
        var cluster = ClusterReader.Read(root.Child("cluster"));
        var sticky = NodeReader.ReadSticky(root.Child("sticky"));
        var pools = ReadPools(root);
        var binds = new Dictionary<IPEndPoint, string> { [admin.Bind] = "actorlb.admin.bind" };
        if (!cluster.Seeds.IsEmpty) CheckBind(root.Child("cluster"), cluster.Bind, binds);
        var listeners = ReadListeners(root, pools, binds);
        OwnListenerChecks.Check(root, binds);
        DataPlaneChecks.Check(root, node, listeners, pools);
        root.Close();
        return new ActorLbOptions(node, log, admin, cluster, sticky, pools, listeners, ReadAkka(file, report)) { Telemetry = telemetry };
    }

    private static AkkaOptions ReadAkka(HoconObject file, ConfigurationReport report)
    {
        switch (file.Find("akka")?.Value)
        {
            case HoconObject fields: return new AkkaOptions(fields);
            case null or HoconScalar { IsNull: true }: return AkkaOptions.None;
            case { } other:
                report.Error(other.Position, "akka", null, $"is {other.Kind}, but {{ ... }} is expected");
                return AkkaOptions.None;
        }
    }

    /// <summary>Other top-level keys may be there for substitutions; those that look like ours are reported.</summary>
    private static void CheckTop(HoconObject file, Section whole)
    {
        bool missing = !whole.Has("actorlb");
        if (missing) whole.Missing("actorlb", "is required: the configuration belongs in actorlb { ... }");
        foreach (var field in file.Fields)
        {
            if (missing && NearestName.Find(field.Key, ["actorlb"]) is not null)
            {
                whole.Report.Error(field.KeyPosition, whole.PathOf(field.Key), null, "unknown key; did you mean 'actorlb'?");
            }
            else if (Blocks.Contains(field.Key))
            {
                whole.Report.Warn(
                    field.KeyPosition, whole.PathOf(field.Key), null, "is outside actorlb { ... } and has no effect there");
            }
            else if ((missing || field.Key.Contains(' ', StringComparison.Ordinal)) && ForeignWords.OfKey(field.Key) is { } foreign)
            {
                whole.Report.Error(
                    field.KeyPosition, whole.PathOf(field.Key), null, missing ? ForeignWords.WithImport(foreign, whole.Report.RootFile) : foreign);
            }
        }
    }

    private static ImmutableDictionary<string, PoolOptions> ReadPools(Section root)
    {
        var result = ImmutableDictionary.CreateBuilder<string, PoolOptions>();
        foreach ((string name, var position, var section) in root.Named("pools"))
        {
            if (!NodeReader.IsName(name)) root.Report.Error(position, section.Path, name, NodeReader.NameRule);
            result[name] = PoolReader.Read(name, section);
        }
        return result.ToImmutable();
    }

    private static ImmutableDictionary<string, ListenerOptions> ReadListeners(
        Section root, ImmutableDictionary<string, PoolOptions> pools, Dictionary<IPEndPoint, string> binds)
    {
        var result = ImmutableDictionary.CreateBuilder<string, ListenerOptions>();
        foreach ((string name, var position, var section) in root.Named("listeners"))
        {
            if (!NodeReader.IsName(name)) root.Report.Error(position, section.Path, name, NodeReader.NameRule);
            var listener = ListenerReader.Read(name, section);
            var pool = pools.GetValueOrDefault(listener.Pool);
            if (pool is null && !root.Report.Incomplete && section.Get("pool") is HoconScalar { Text.Length: > 0 } unknown)
            {
                string? nearest = NearestName.Find(listener.Pool, pools.Keys);
                section.Error("pool", unknown, nearest is null ? "is not one of the pools" : $"is not one of the pools; did you mean '{nearest}'?");
            }
            ListenerChecks.Check(section, listener, pool);
            if (section.Has("bind")) CheckBind(section, listener.Bind, binds);
            result[name] = listener;
        }
        if (result.Count == 0 && !root.Report.HasErrors) root.Missing("listeners", "is empty: a node needs a listener");
        return result.ToImmutable();
    }

    /// <summary>With port 0 the system chooses a different port each time.</summary>
    private static void CheckBind(Section section, IPEndPoint bind, Dictionary<IPEndPoint, string> binds)
    {
        if (bind.Port == 0 || binds.TryAdd(bind, section.PathOf("bind"))) return;
        section.Report.Error(section.PositionOf("bind"), section.PathOf("bind"), bind.ToString(), $"is already bound by {binds[bind]}");
    }
}
