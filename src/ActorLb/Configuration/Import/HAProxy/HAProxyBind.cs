using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>A <c>bind</c> of HAProxy: addresses, and the words after them.</summary>
internal sealed class HAProxyBind
{
    private readonly HAProxyGlobals _globals;
    private readonly Target _target;
    private readonly List<(string Certificate, string Key)> _pairs = [];
    private readonly List<string> _bySni = [];

    public HAProxyBind(Directive from, Target _target, HAProxyGlobals _globals)
    {
        From = from;
        this._target = _target;
        this._globals = _globals;
        from.Carry();
        string[] words = [.. from.Words.Skip(1).Select(w => w.Text)];
        Ssl = words.Contains("ssl");
        if (Ssl)
        {
            foreach ((var source, string[] given) in _globals.TlsDefaults)
            {
                source.Carry();
                Read(source, given);
            }
        }
        Read(from, words);
        if (Ssl) Finish();
    }

    public Directive From { get; }

    public bool Ssl { get; }

    public bool AcceptsProxy { get; private set; }

    public bool OnlyIPv6 { get; private set; }

    public Draft Tls { get; } = new();

    /// <summary>Keys of the listener.</summary>
    public Draft Listener { get; } = new();

    public bool ShowsCertificates => Tls.Value("verify-client") is "on" or "optional";

    private void Read(Directive d, string[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i];
            string Next() => ++i < words.Length ? words[i] : "";
            switch (word)
            {
                case "ssl": break;
                case "crt": Certificate(d, Next()); break;
                case "ca-file" or "ca-verify-file": Tls.Set("client-ca", _target.File("/", _globals.Find(Next(), authority: true))); break;
                case "crl-file":
                    Tls.Set("crl", _target.File("/", _globals.Find(Next(), authority: true)));
                    Tls.Set("crl-check", "chain", note: "HAProxy requires every authority's list; leaf requires only that of the client's issuer");
                    break;
                case "verify":
                    string verify = Next();
                    Tls.Set("verify-client", verify switch { "required" => "on", "optional" => "optional", _ => "off" }, "off");
                    // OpenSSL's own limit, which HAProxy keeps.
                    if (verify != "none") Tls.Set("verify-depth", "100", note: "HAProxy sets no limit");
                    break;
                case "ciphers": Text(d, "ciphers", Next(), ConfigurationDefaults.Ciphers); break;
                case "ciphersuites": Text(d, "cipher-suites", Next(), null); break;
                case "ssl-min-ver": Protocols(d, Next(), null); break;
                case "ssl-max-ver": Protocols(d, null, Next()); break;
                case "force-tlsv10" or "force-tlsv11" or "force-tlsv12" or "force-tlsv13": Protocols(d, "TLSv1." + word[^1], "TLSv1." + word[^1]); break;
                case "no-tlsv10" or "no-tlsv11" or "no-tlsv12" or "no-tlsv13": Without("TLSv1." + word[^1]); break;
                case "no-sslv3" or "tls-tickets": break;
                case "no-tls-tickets": Tls.Set("session-tickets", "off"); break;
                case "tune.ssl.cachesize":
                    Sessions(d, Next());
                    break;
                case "tune.ssl.lifetime":
                    string lifetime = Next();
                    Tls.Time("session-timeout", d, lifetime, Units.HAProxyTime(lifetime, TimeSpan.FromSeconds(1)), TimeSpan.FromDays(7), "10m", TimeSpan.FromSeconds(1));
                    break;
                case "alpn":
                    if (Next().Split(',').Contains("h2")) d.Report("alpn h2: WebSocket uses HTTP/1.1; mqtt is supported too");
                    break;
                case "accept-proxy": AcceptsProxy = true; break;
                case "backlog": Listener.Integer("backlog", d, HAProxyValue.Of(Next()), 1, 1_000_000, "4096"); break;
                case "maxconn": Listener.Integer("max-connections", d, HAProxyValue.Of(Next()), 0, 10_000_000, "0"); break;
                case "v6only": OnlyIPv6 = true; break;
                case "v4v6": break;
                default: Other(d, word, Next); break;
            }
        }
    }

    private void Text(Directive d, string key, string text, string? absent)
    {
        if (text.Length == 0) d.Report($"no value is given for tls.{key}");
        else Tls.Set(key, Units.Quote(text), absent is null ? null : Units.Quote(absent));
    }

    private static void Other(Directive d, string word, Func<string> next)
    {
        var entry = HAProxyDirectives.Table.Find("bind " + word);
        if (HAProxyDirectives.BindValues.Contains(word)) word = $"{word} {next()}";
        if (entry is null) d.Report($"{word}: unknown, and left out");
        else if (entry.Verdict == Verdict.Reported) d.Report($"{word}: {entry.Text}");
    }

    private void Certificate(Directive d, string name)
    {
        string path = _globals.Find(name);
        if (name.EndsWith('/') || Directory.Exists(path))
        {
            Folder(d, path);
            return;
        }
        if (name.Length == 0) d.Report("crt without a file: set tls.certificate and tls.key");
        else _pairs.Add(_globals.Pair(path));
    }

    private void Folder(Directive d, string path)
    {
        if (HAProxyGlobals.Certificates(path) is { } found && found.Any(f => f.Names is not null))
        {
            foreach ((string certificate, string[]? names) in found)
            {
                if (names is null)
                {
                    d.Report($"{certificate}: no certificate can be read from it: list it in tls.certificates by hand, if it is one");
                    continue;
                }
                (string file, string key) = _globals.Pair(certificate);
                if (_pairs.Count == 0) _pairs.Add((file, key));
                else if (names.Length > 0) _bySni.Add($"{{ names = [{string.Join(", ", names.Select(HoconPath.QuoteText))}], certificate = {file}, key = {key} }}");
                else d.Report($"{certificate}: its certificate has no host name: list it in tls.certificates by hand");
            }
            return;
        }
        d.Report($"crt {path}: the directory has no certificates here: name the first of them as tls.certificate and tls.key, the others in tls.certificates with their names");
        if (_pairs.Count == 0) _pairs.Add((_target.File(path, "certificate-and-key.pem"), _target.File(path, "certificate-and-key.pem")));
    }

    private void Finish()
    {
        if (_pairs.Count == 0)
        {
            From.Report("ssl without crt: set tls.certificate and tls.key of the listener");
            string missing = _target.File("/", _globals.Find("certificate-and-key.pem"));
            _pairs.Add((missing, missing));
        }
        Tls.Set("certificate", _pairs[0].Certificate);
        Tls.Set("key", _pairs[0].Key);
        foreach ((string certificate, string key) in _pairs.Skip(1))
        {
            string path = certificate[1..^1];
            string[] names = HAProxyGlobals.Names(path) ?? [];
            if (names.Length > 0) _bySni.Add($"{{ names = [{string.Join(", ", names.Select(HoconPath.QuoteText))}], certificate = {certificate}, key = {key} }}");
            else From.Report($"crt {path}: list it in tls.certificates with its names");
        }
        Tls.First("certificate", "key");
        if (_bySni.Count > 0) Tls.SetList("certificates", _bySni.Select(e => (e, (Directive?)null)));
        if (ShowsCertificates && !Tls.Has("client-ca"))
        {
            From.Report("verify without ca-file: set tls.client-ca, then verify-client");
            Tls.Remove("verify-client");
        }
    }

    private void Protocols(Directive d, string? least, string? most)
    {
        string[] all = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
        string? At(string? version) => version is "TLSv1.0" ? "TLSv1" : version is "SSLv3" ? "TLSv1" : version;
        if ((least is not null && !all.Contains(At(least))) || (most is not null && !all.Contains(At(most))))
        {
            d.Report($"{least ?? most}: not a known version of TLS: set tls.protocols");
            return;
        }
        string[] current = Current();
        int from = least is null ? 0 : Array.IndexOf(all, At(least)), to = most is null ? all.Length - 1 : Array.IndexOf(all, At(most));
        // A lower bound alone may admit older versions than the default does.
        var chosen = least is not null ? all.Where((v, i) => i >= from && i <= to) : current.Where(v => Array.IndexOf(all, v) <= to);
        Set(d, chosen);
    }

    private void Without(string version) => Set(From, Current().Where(v => v != (version == "TLSv1.0" ? "TLSv1" : version)));

    private string[] Current() => Tls.Value("protocols")?.Trim('[', ']').Split(", ") ?? ["TLSv1.2", "TLSv1.3"];

    private void Set(Directive d, IEnumerable<string> versions)
    {
        string[] chosen = [.. versions];
        if (chosen.Length == 0) d.Report("no version of TLS is left: set tls.protocols");
        else Tls.Set("protocols", $"[{string.Join(", ", chosen)}]", "[TLSv1.2, TLSv1.3]");
    }

    /// <summary>HAProxy counts sessions; a MiB holds about 4,000.</summary>
    private void Sessions(Directive d, string count)
    {
        if (count == "0") Tls.Set("session-cache", "off");
        else if (Units.Size(count) is { } sessions and < 1L << 40) Tls.Size("session-cache", d, $"{Math.Max(1, sessions / 4)}k", 1 << 10, 16L << 30, "10MiB");
        else d.Report("not a number: set tls.session-cache of the listeners");
    }
}
