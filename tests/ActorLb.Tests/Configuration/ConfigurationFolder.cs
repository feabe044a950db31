using ActorLb.Configuration;

namespace ActorLb.Tests.Configuration;

/// <summary>A directory of its own for the files of one test.</summary>
internal sealed class ConfigurationFolder : IDisposable
{
    public static readonly IReadOnlyDictionary<string, string> NoEnvironment = new Dictionary<string, string>();

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("actorlb-config-").FullName;

    public string Write(string name, string text)
    {
        string path = Path.Combine(Directory, name);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>Certificates and keys that the loader only needs to find.</summary>
    public void WriteFiles(params ReadOnlySpan<string> names)
    {
        foreach (string name in names) Write(name, "content of some length, as a secret has");
    }

    public ConfigurationResult Load(string text, IReadOnlyDictionary<string, string>? environment = null) =>
        ConfigurationLoader.Load(Write("actorlb.conf", text), environment ?? NoEnvironment);

    public ActorLbOptions LoadValid(string text, IReadOnlyDictionary<string, string>? environment = null)
    {
        var result = Load(text, environment);
        Assert.Empty(result.Errors);
        return result.Options!;
    }

    /// <summary>The errors; DIR stands for the directory of the files, which is left out at the start.</summary>
    public string[] Errors(string text)
    {
        var result = Load(text);
        Assert.Null(result.Options);
        return [.. result.Errors.Select(e => Short(e.ToString()))];
    }

    public string Short(string message) =>
        (message.StartsWith(Directory + "/", StringComparison.Ordinal) ? message[(Directory.Length + 1)..] : message)
            .Replace(Directory, "DIR", StringComparison.Ordinal);

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
}
