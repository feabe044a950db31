using System.Collections.Immutable;
using System.Text.RegularExpressions;
using ActorLb.Configuration;
using ActorLb.Configuration.Effective;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Tests.Configuration;

/// <summary>reference.conf is the manual: it knows what the loader knows, and its values are the defaults.</summary>
public sealed partial class ReferenceTests
{
    /// <summary>Values without a default: an example stands for them.</summary>
    private static readonly string[] Required =
    [
        "actorlb.pools.*", "actorlb.pools.*.backends", "actorlb.pools.*.backends[].address", "actorlb.pools.*.backends[]",
        "actorlb.pools.*.backends.dns", "actorlb.pools.*.backends.emqx", "actorlb.pools.*.backends.emqx.api", "actorlb.pools.*.backends.emqx.api[]",
        "actorlb.pools.*.backends.emqx.key-file", "actorlb.listeners.*", "actorlb.listeners.*.bind", "actorlb.listeners.*.pool",
        "actorlb.listeners.*.websocket", "actorlb.listeners.*.tls", "actorlb.listeners.*.tls.certificate", "actorlb.listeners.*.tls.key",
        "actorlb.listeners.*.tls.certificates", "actorlb.listeners.*.tls.certificates[]",
        "actorlb.listeners.*.tls.certificates[].names", "actorlb.listeners.*.tls.certificates[].names[]",
        "actorlb.listeners.*.tls.certificates[].certificate", "actorlb.listeners.*.tls.certificates[].key",
        "actorlb", "actorlb.pools", "actorlb.listeners",
    ];

    [GeneratedRegex(@"= (?:null|off|auto) # or (?<other>\{.*\}|""[^""]*""|\w+)$", RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Alternative();

    /// <summary>The manual with what it names behind "or" in place of the defaults.</summary>
    private static string WithAlternatives(string text) => Alternative().Replace(text, "= ${other}");

    [Fact]
    public void Reference_WithItsAlternatives_IsValid()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);

        var options = folder.LoadValid(WithAlternatives(text));

        Assert.NotNull(options.Admin.Tls);
        Assert.NotNull(options.Pools["example"].Tls);
        Assert.NotNull(options.Listeners["example"].WebSocket);
        Assert.NotNull(options.Listeners["example-tls"].Tls!.CrlFile);
    }

    [Fact]
    public void Reference_Keys_AreThoseOfTheLoader()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);
        var written = new SortedSet<string>(StringComparer.Ordinal);
        var known = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string variant in (string[])[text, WithAlternatives(text)])
        {
            (var root, var report) = Parse(folder, variant);
            written.UnionWith(Paths(root).Select(Generic).Where(p => !p.EndsWith("[]", StringComparison.Ordinal)));
            known.UnionWith(report.KnownKeys.Select(Generic));
        }
        written.ExceptWith(["actorlb.pools.*", "actorlb.listeners.*"]);

        Assert.Equal(known, written);
    }

    /// <summary>Hints about keys in the wrong block come from a list of the blocks.</summary>
    [Fact]
    public void SectionKinds_Keys_AreThoseOfTheManual()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);
        var known = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string variant in (string[])[text, WithAlternatives(text)])
        {
            known.UnionWith(Parse(folder, variant).Report.KnownKeys.Select(Generic).Select(p => p[(p.LastIndexOf('.') + 1)..].Replace("[]", "", StringComparison.Ordinal)));
        }
        known.ExceptWith(["actorlb", "*"]);

        // The manual shows shares in a comment.
        Assert.Equal(known, SectionKinds.All.SelectMany(k => k.Keys).Where(k => k != "share").Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Reference_EachValueRemoved_LeavesTheOptionsAsTheyWere()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);
        (var root, var whole) = Parse(folder, text);
        Assert.False(whole.HasErrors);
        string expected = Render(root, folder);
        int removed = 0;
        foreach (string path in Paths(root).Where(p => !Required.Contains(Generic(p))))
        {
            if (Generic(path).EndsWith("[]", StringComparison.Ordinal)) continue;
            var without = Remove(root, "", path);
            Assert.Equal(expected, Render(without, folder));
            removed++;
        }

        Assert.True(removed > 100, $"only {removed} values were removed");
    }

    [Fact]
    public void Reference_Rendered_HasEveryKnownKey()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);
        var known = new SortedSet<string>(StringComparer.Ordinal);
        var rendered = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string variant in (string[])[text, WithAlternatives(text)])
        {
            (var root, var report) = Parse(folder, variant);
            var options = ConfigurationLoader.Load(new HoconResult(root, null), new ConfigurationReport(File(folder))).Options!;
            known.UnionWith(report.KnownKeys.Select(Generic));
            foreach (var entry in EffectiveConfiguration.Write(options, showSecrets: true).Entries)
            {
                // Blocks are known too: whatever leads to an entry.
                string path = Generic(entry.Path);
                for (; path.Length > 0; path = path.Contains('.', StringComparison.Ordinal) ? path[..path.LastIndexOf('.')] : "")
                {
                    rendered.Add(path.EndsWith("[]", StringComparison.Ordinal) ? path[..^2] : path);
                }
            }
        }
        known.Add("actorlb.pools.*");
        known.Add("actorlb.listeners.*");

        // Written as objects of shares when there are any.
        rendered.Add("actorlb.pools.*.source-addresses");
        Assert.Equal(known, rendered.Where(p => !p.StartsWith("actorlb.pools.*.source-addresses[]", StringComparison.Ordinal)));
    }

    private static string File(ConfigurationFolder folder) => Path.Combine(folder.Directory, "reference.conf");

    private static (HoconObject Root, ConfigurationReport Report) Parse(ConfigurationFolder folder, string text)
    {
        var source = HoconReader.ReadText(text, File(folder), ConfigurationFolder.NoEnvironment);
        Assert.Null(source.Error);
        var report = new ConfigurationReport(File(folder));
        ConfigurationLoader.Load(source, report);
        Assert.Empty(report.Errors);
        return (source.Root!, report);
    }

    private static string Render(HoconObject root, ConfigurationFolder folder)
    {
        var result = ConfigurationLoader.Load(new HoconResult(root, null), new ConfigurationReport(File(folder)));
        Assert.Empty(result.Errors);
        return EffectiveConfiguration.Render(result.Options!, showSecrets: true);
    }

    /// <summary>Names of pools and listeners and indices left out.</summary>
    private static string Generic(string path) =>
        Regex.Replace(
            Regex.Replace(path, @"\[\d+\]", "[]", RegexOptions.None, TimeSpan.FromSeconds(1)),
            @"^actorlb\.(?<block>pools|listeners)\.[^.\[]+", "actorlb.${block}.*", RegexOptions.None, TimeSpan.FromSeconds(1));

    private static IEnumerable<string> Paths(HoconValue value, string path = "")
    {
        if (path.Length > 0) yield return path;
        IEnumerable<(string Path, HoconValue Value)> inner = value switch
        {
            HoconObject fields => fields.Fields.Select(f => (HoconPath.Child(path, f.Key), f.Value)),
            HoconArray array => array.Elements.Select((e, i) => (HoconPath.Element(path, i), e)),
            _ => [],
        };
        foreach ((string child, var next) in inner)
        {
            foreach (string found in Paths(next, child)) yield return found;
        }
    }

    private static HoconObject Remove(HoconObject fields, string at, string path) => new(
        fields.Position,
        [.. fields.Fields
            .Where(f => HoconPath.Child(at, f.Key) != path)
            .Select(f => f with { Value = RemoveWithin(f.Value, HoconPath.Child(at, f.Key), path) })]);

    private static HoconValue RemoveWithin(HoconValue value, string at, string path) => value switch
    {
        HoconObject fields => Remove(fields, at, path),
        HoconArray array => new HoconArray(
            array.Position, [.. array.Elements.Select((e, i) => RemoveWithin(e, HoconPath.Element(at, i), path))]),
        _ => value,
    };
}
