using System.Globalization;
using System.Text;
using ActorLb.Configuration.Import.HAProxy;
using ActorLb.Configuration.Import.Nginx;

namespace ActorLb.Configuration.Import;

/// <summary>The result of importing a file.</summary>
/// <param name="Text">The configuration, as HOCON.</param>
/// <param name="Directives">Every directive of the file, in order, with its outcome.</param>
/// <param name="Remarks">About the whole file: what the result lacks to be a complete configuration.</param>
internal sealed record ImportResult(string Text, IReadOnlyList<Directive> Directives, IReadOnlyList<string> Remarks)
{
    public int Count(Verdict verdict) => Directives.Count(d => d.Verdict == verdict);

    /// <summary>Whether a person must check something.</summary>
    public bool IsWhole => Remarks.Count == 0 && Directives.All(d => d.Verdict != Verdict.Reported);
}

/// <summary>Converts other balancers' files to ActorLb configurations.</summary>
internal static class Importer
{
    /// <param name="pipes">Whether the file may be a pipe.</param>
    /// <exception cref="ImportException">It cannot be read as a file of NGINX.</exception>
    public static ImportResult Nginx(string file, bool pipes = false) => Nginx(new NginxReader(file), r => r.Read(pipes), file);

    /// <param name="file">Used in positions; names are relative to its directory.</param>
    /// <inheritdoc cref="Nginx(string, bool)"/>
    public static ImportResult NginxText(string text, string file) => Nginx(new NginxReader(file), r => r.Read(text), file);

    private static ImportResult Nginx(NginxReader reader, Func<NginxReader, Directive> read, string file)
    {
        var whole = read(reader);
        var target = new Target();
        new NginxImport(target, reader.Folder).Translate(whole);
        Directive[] all = [.. whole.All().Skip(1)];
        var context = new Dictionary<Directive, Directive>();
        foreach (var d in all) foreach (var inner in d.Block ?? []) context[inner] = d;
        foreach (var d in all)
        {
            // What is in a block that is left out is not reported again; entries of maps are not directives.
            bool inner = context.TryGetValue(d, out var around);
            if (inner && around!.Name is "map" or "split_clients" && around.Verdict == Verdict.Carried && d.Verdict is null) d.Carry();
            if (inner && around!.Verdict is Verdict.Reported or Verdict.NotNeeded && d.Verdict is null && !IsKnownBlock(around)) d.Leave($"is in {around.Name}, which is left out");
            NginxDirectives.Table.Judge(d, d.Name);
        }
        return Finish(target, whole, all, "nginx", file);
    }

    /// <param name="file">A file, or a directory of them.</param>
    /// <exception cref="ImportException">It cannot be read as a file of HAProxy.</exception>
    public static ImportResult HAProxy(string file, bool pipes = false) => HAProxy(HAProxyReader.Read(file, pipes), file);

    /// <param name="file">Used in positions.</param>
    /// <inheritdoc cref="HAProxy(string, bool)"/>
    public static ImportResult HAProxyText(string text, string file) => HAProxy(HAProxyReader.ReadText(text, file), file);

    private static ImportResult HAProxy(Directive whole, string file)
    {
        var target = new Target();
        new HAProxyImport(target, file).Translate(whole);
        Directive[] all = [.. whole.All().Skip(1)];
        foreach (var section in whole.Block!)
        {
            if (section.Verdict is null && HAProxyDirectives.Table.Find(section.Name) is { Verdict: Verdict.Reported } reported) section.Report(reported.Text);
            if (section.Verdict == Verdict.Reported && section.Name is not ("frontend" or "listen" or "backend")) section.LeaveBlock($"is in {section.Name}, which is left out");
        }
        foreach (var d in all)
        {
            if (d.Name is "no" or "default" && d.Verdict is null) d.Leave("the option is off");
            HAProxyDirectives.Table.Judge(d, d.Block is null ? HAProxyDirectives.KeyOf(d) : d.Name);
        }
        return Finish(target, whole, all, "haproxy", file);
    }

    private static bool IsKnownBlock(Directive d) => d.Name is "stream" or "http" or "server" or "upstream" or "events";

    /// <summary>What remains to be written outside the blocks.</summary>
    internal static ImportResult Finish(Target target, Directive whole, IReadOnlyList<Directive> all, string program, string file)
    {
        var remarks = new List<string>();
        if (target.ListenerCount == 0 && target.FirstPool is { } pool)
        {
            var listener = new Draft();
            listener.Comment("# The file has no address to listen on: this is the usual one for MQTT.");
            listener.Set("bind", "\"0.0.0.0:1883\"");
            listener.Set("pool", Target.Reference(pool));
            target.AddListener("mqtt", "\"0.0.0.0:1883\"", listener);
            remarks.Add("the file has no address to listen on: a listener at 0.0.0.0:1883 is written");
        }
        if (target.ListenerCount == 0) remarks.Add("nothing to balance was found: add pools and listeners");
        AdminAddress.Clear(target);
        target.Note(all, target.Head);
        target.Head.KeepClosing(whole);
        foreach (var d in all) target.Head.KeepClosing(d);
        var root = new Draft();
        var own = new Draft();
        own.Take(target.Head);
        foreach ((string key, var block) in ((string, Draft)[])[("node", target.Node), ("log", target.Log), ("admin", target.Admin), ("sticky", target.Sticky), ("pools", target.Pools), ("listeners", target.Listeners)])
        {
            if (!block.IsEmpty) own.Put(key, block);
        }
        if (target.Variables.Any(v => v.Value is not null))
        {
            var defaults = root["environment"];
            defaults.Comment("# Values used when the environment has none.");
            foreach ((string name, string? value) in target.Variables)
            {
                if (value is null) continue;
                defaults.Set(name, Units.Quote(value));
                root.Put("environment", Override(name));
            }
        }
        root.Put("actorlb", own);
        var text = new StringBuilder();
        Head(text, target, all, program, file);
        text.Append(root.Render());
        Rest(text, all);
        return new ImportResult(text.ToString(), all, remarks);
    }

    private static Draft Override(string name)
    {
        var draft = new Draft();
        draft.Set(name, $"${{?{name}}}");
        return draft;
    }

    private static void Head(StringBuilder text, Target target, IReadOnlyList<Directive> all, string program, string file)
    {
        string name = Path.GetFileName(file);
        int reported = all.Count(d => d.Verdict == Verdict.Reported);
        Line(text, $"# Converted from {name} by `actorlb import {program}`. Review it, then run `actorlb check -c FILE`.");
        if (reported > 0) Line(text, $"# {Count(reported, "directive")} could not be carried over as {(reported == 1 ? "it is" : "they are")}: the comments that start with a file and line say what to do instead.");
        if (target.Certificates.Count > 0) Line(text, "# The node must be able to read these files; keys should be readable only by its user:");
        foreach (string certificate in target.Certificates) Line(text, $"#   {certificate}");
        foreach (string variable in target.Variables.Keys) Line(text, $"# The environment variable {variable} is read when the node starts{(target.Variables[variable] is null ? ": set it in the service's unit" : "")}.");
        Line(text, "# Brokers are probed by MQTT (pools.NAME.health); with probe = none only clients' failures count.");
        Line(text, "# With a `cluster` block several nodes become one balancer that knows where each client belongs: see hocon/fleet.conf.");
        text.Append('\n');
    }

    /// <summary>Grouped by reason, since there can be hundreds of types of web content.</summary>
    private const int MostShown = 12;

    /// <summary>What is not needed, and why; at the end, since it needs no action.</summary>
    private static void Rest(StringBuilder text, IReadOnlyList<Directive> all)
    {
        Directive[] left = [.. all.Where(d => d.Verdict == Verdict.NotNeeded)];
        if (left.Length == 0) return;
        text.Append("\n# Not needed here:\n");
        foreach (var reason in left.GroupBy(d => d.Reason))
        {
            Directive[] those = [.. reason];
            int shown = those.Length > MostShown ? MostShown / 2 : those.Length;
            foreach (var d in those.Take(shown)) Line(text, $"#   {Target.Where(d)}: {d.Shown}");
            if (shown < those.Length) Line(text, $"#   and {those.Length - shown} more, down to {Target.Where(those[^1])}: {those[^1].Shown}");
            Line(text, $"#     {reason.Key}");
        }
    }

    private static void Line(StringBuilder text, string line) => text.Append(Protocol.Text.SafeText.OfMessage(line)).Append('\n');

    internal static string Count(int count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count} {noun}{(count == 1 ? "" : "s")}");
}
