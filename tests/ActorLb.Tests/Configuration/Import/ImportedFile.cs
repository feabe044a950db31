using ActorLb.Configuration;
using ActorLb.Configuration.Import;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Import;

/// <summary>A file of another balancer in a folder of its own, imported, with what the loader makes of the result.</summary>
internal sealed class ImportedFile : IDisposable
{
    private static readonly Dictionary<string, string> Environment = new() { ["MQTT_PORT"] = "1883", ["BROKER_1"] = "b1.example.net" };

    private readonly TempFolder _folder;

    private ImportedFile(TempFolder _folder, ImportResult result)
    {
        this._folder = _folder;
        Result = result;
    }

    public static string Samples { get; } = RepositoryRoot.File("tests", "ActorLb.Tests", "Configuration", "Import", "Samples");

    public ImportResult Result { get; }

    public string Text => Result.Text;

    /// <summary>What was told, without the file's name.</summary>
    public string[] Told => [.. Result.Directives.SelectMany(d => d.Advice.Select(a => $"{d.Position.Line}: {a}"))];

    public static ImportedFile Nginx(string text, params (string Name, string Text)[] others) => Of(text, "nginx.conf", others, Importer.NginxText);

    public static ImportedFile HAProxy(string text, params (string Name, string Text)[] others) => Of(text, "haproxy.cfg", others, Importer.HAProxyText);

    public static ImportedFile Sample(string name)
    {
        string text = File.ReadAllText(Path.Combine(Samples, name));
        return name.Contains("nginx", StringComparison.Ordinal) ? Nginx(text) : HAProxy(text);
    }

    private static ImportedFile Of(string text, string name, (string Name, string Text)[] others, Func<string, string, ImportResult> import)
    {
        var written = new TempFolder();
        foreach ((string other, string content) in others) written.Write(other, content);
        // Files of the machine are looked for in the folder.
        string local = text.Replace(" /etc/", $" {written.Path}/etc/", StringComparison.Ordinal).Replace(" /certs/", $" {written.Path}/certs/", StringComparison.Ordinal);
        return new ImportedFile(written, import(local, written.Write(name, local)));
    }

    /// <summary>Fills in the files that the result names, then loads it.</summary>
    public ConfigurationResult Load()
    {
        foreach (string line in Result.Text.Split('\n').Where(l => l.StartsWith("#   /", StringComparison.Ordinal)))
        {
            string path = line["#   ".Length..];
            if (path.StartsWith(_folder.Path, StringComparison.Ordinal) && !Path.Exists(path)) _folder.Write(Path.GetRelativePath(_folder.Path, path), "a file of the test, long enough for a secret");
        }
        return ConfigurationLoader.LoadText(Result.Text, _folder["actorlb.conf"], Environment);
    }

    public ActorLbOptions Options
    {
        get
        {
            var loaded = Load();
            Assert.Empty(loaded.Errors);
            return loaded.Options!;
        }
    }

    /// <summary>What became of the directive of this name; of several, the last.</summary>
    public Verdict VerdictOf(string name) => Result.Directives.Last(d => d.Name == name).Verdict!.Value;

    public void Dispose() => _folder.Dispose();
}
