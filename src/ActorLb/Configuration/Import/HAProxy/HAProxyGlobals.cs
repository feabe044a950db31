using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>HAProxy's section <c>global</c>: settings of the node, and defaults for everything with TLS.</summary>
internal sealed class HAProxyGlobals(Target target, string file)
{
    /// <summary>Files next to a certificate that HAProxy finds by itself.</summary>
    private static readonly string[] Companions = [".key", ".ocsp", ".issuer", ".sctl", ".dh"];

    private readonly List<Directive> _tlsDefaults = [];
    private string? _certificateFolder, _authorityFolder;

    public bool VerifiesServers { get; private set; } = true;

    /// <summary>Whether connections are logged; each proxy sets that by its options.</summary>
    public bool Logs { get; private set; }

    /// <summary>Words of <c>bind</c> that all addresses with TLS have.</summary>
    public IEnumerable<(Directive From, string[] Words)> TlsDefaults => _tlsDefaults.Select(d => (d, Words(d)));

    public void Apply(Directive section)
    {
        section.Carry();
        target.Head.Keep(section);
        foreach (var d in section.Block!) Apply(d, d[0]);
        target.Node.KeepClosing(section);
    }

    private void Apply(Directive d, string value)
    {
        switch (d.Name)
        {
            case "maxconn": target.Node.Integer("max-connections", d, HAProxyValue.Of(value), 1, 10_000_000, "20480"); break;
            case "nbthread": target.Node.Integer("workers", d, HAProxyValue.Of(value), 1, 1024, null); break;
            case "node" when NodeReader.IsName(value):
                target.Node.Set("name", Units.Quote(value), null, d);
                d.Carry();
                break;
            case "hard-stop-after": target.Node.Time("drain-timeout", d, value, Units.HAProxyTime(value), Setting.Day, "30s", TimeSpan.Zero); break;
            case "log":
                Logs = true;
                Level(d);
                break;
            case "crt-base": _certificateFolder = Base(d, value); break;
            case "ca-base": _authorityFolder = Base(d, value); break;
            case "default-path":
                if (value is "config" or "parent") _certificateFolder = _authorityFolder = Path.GetDirectoryName(Path.GetFullPath(file));
                else if (value == "origin") _certificateFolder = _authorityFolder = d[1];
                d.Carry();
                break;
            case "ssl-server-verify":
                VerifiesServers = value != "none";
                d.Carry();
                target.Head.Keep(d);
                break;
            case "setenv" or "presetenv" when d.Words.Count > 1 && value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'):
                if (d.Name == "setenv" || !target.Defined.ContainsKey(value)) target.Defined[value] = d;
                break;
            case "ssl-default-bind-ciphers" or "ssl-default-bind-ciphersuites" or "ssl-default-bind-options" or "tune.ssl.cachesize" or "tune.ssl.lifetime":
                _tlsDefaults.Add(d);
                break;
        }
    }

    private static string[] Words(Directive d) => d.Name switch
    {
        "ssl-default-bind-ciphers" => ["ciphers", d[0]],
        "ssl-default-bind-ciphersuites" => ["ciphersuites", d[0]],
        "ssl-default-bind-options" => [.. d.Words.Select(w => w.Text)],
        _ => [d.Name, d[0]],
    };

    /// <summary>The absolute path where HAProxy would look for a file.</summary>
    public string Find(string name, bool authority = false)
    {
        string folder = (authority ? _authorityFolder : _certificateFolder) ?? Environment.CurrentDirectory;
        string path = Path.GetFullPath(Path.Combine(folder, name));
        string beside = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, name));
        // Without a base HAProxy uses the directory it was started in, which is rarely where the import runs.
        return !Path.Exists(path) && Path.Exists(beside) ? beside : path;
    }

    /// <summary>The certificate and the key of a <c>crt</c>: one file for both, unless the key is in a file next to it.</summary>
    public (string Certificate, string Key) Pair(string path)
    {
        string key = path;
        if (File.Exists(path + ".key") && !HoldsKey(path)) key = path + ".key";
        return (target.File("/", path), target.File("/", key));
    }

    /// <summary>The files of a directory, in order, each with the names of its certificate (null when it has none that can be read); null
    /// when the directory cannot be read.</summary>
    public static IReadOnlyList<(string Path, string[]? Names)>? Certificates(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder).Where(f => !Companions.Contains(Path.GetExtension(f)) && Path.GetFileName(f)[0] != '.')
                .Order(StringComparer.Ordinal).Select((f, i) => (f, i < ImportLimits.Files ? Names(f) : null))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The names of a file's certificate; null when it has none that can be read.</summary>
    public static string[]? Names(string path)
    {
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(InputFile.ReadText(path));
            string[] names = [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames())];
            if (names.Length == 0) names = [certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)];
            return [.. names.Where(n => AddressText.IsHost(n.StartsWith("*.", StringComparison.Ordinal) ? n[2..] : n)).Distinct(StringComparer.OrdinalIgnoreCase)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            return null;
        }
    }

    private static bool HoldsKey(string path)
    {
        try
        {
            return InputFile.ReadText(path).Contains("PRIVATE KEY-----", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string Base(Directive d, string value)
    {
        d.Carry();
        return Path.GetFullPath(value.Length == 0 ? "." : value);
    }

    /// <summary>The last word is the least severe that is logged.</summary>
    private void Level(Directive d)
    {
        string? level = d.Words.Select(w => w.Text).LastOrDefault(w => w is "debug" or "info" or "notice" or "warning" or "err" or "crit" or "alert" or "emerg");
        string own = level switch { "warning" => "warning", "err" or "crit" or "alert" or "emerg" => "error", "debug" => "debug", _ => "info" };
        if (target.Log.Has("level"))
        {
            d.Leave("the node has one log, on standard error: another program can forward it");
            return;
        }
        target.Log.Set("level", own, "info", d);
        d.Carry();
    }
}

/// <summary>Values of HAProxy that may be environment variables.</summary>
internal static class HAProxyValue
{
    /// <summary>The text with variables replaced, as far as the environment has them now.</summary>
    public static string Of(string text)
    {
        if (!HAProxyAddress.HasVariables(text)) return text;
        string name = text.TrimStart('$').Trim('{', '}');
        int dash = name.IndexOf('-', StringComparison.Ordinal);
        string? otherwise = dash < 0 ? null : name[(dash + 1)..];
        return Environment.GetEnvironmentVariable(dash < 0 ? name : name[..dash]) is { Length: > 0 } value ? value : otherwise ?? text;
    }
}
