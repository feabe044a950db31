using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>Converts NGINX's <c>ssl_*</c> directives of a server to the <c>tls</c> block of its listeners.</summary>
internal sealed class NginxTls(Target target, string folder)
{
    private readonly List<string> _certificates = [], _keys = [];
    private Directive? _firstCertificate;

    public Draft Block { get; } = new();

    public bool VerifiesClients => Block.Value("verify-client") is "on" or "optional";

    public bool HasCertificate => _certificates.Count > 0 && _keys.Count > 0;

    /// <summary>False for a directive that is not about TLS, or has no equivalent.</summary>
    public bool Apply(Directive d)
    {
        switch (d.Name)
        {
            case "ssl_certificate": Certificate(d, _certificates); break;
            case "ssl_certificate_key": Certificate(d, _keys); break;
            case "ssl_protocols": Protocols(d); break;
            case "ssl_ciphers": Text("ciphers", d, ConfigurationDefaults.Ciphers); break;
            case "ssl_session_cache": SessionCache(d); break;
            case "ssl_session_timeout":
                Block.Time("session-timeout", d, d[0], Units.NginxTime(d[0]), TimeSpan.FromDays(7), "10m", TimeSpan.FromSeconds(1));
                break;
            case "ssl_session_tickets": Flag("session-tickets", d, "on"); break;
            case "ssl_session_ticket_key":
                if (Block.Has("ticket-key-file")) d.Report("ActorLb takes one ticket-key-file: put all keys into it, the current one first");
                else File("ticket-key-file", d);
                break;
            case "ssl_client_certificate": File("client-ca", d); break;
            case "ssl_verify_client": VerifyClient(d); break;
            case "ssl_verify_depth": Block.Integer("verify-depth", d, d[0], 0, 100, "1"); break;
            case "ssl_crl":
                File("crl", d);
                Block.Set("crl-check", "chain", note: "NGINX requires every authority's list; leaf requires only that of the client's issuer");
                break;
            case "ssl_handshake_timeout":
                Block.Time("handshake-timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "10s");
                break;
            case "ssl_conf_command" when d.Is("Ciphersuites"):
                Block.Set("cipher-suites", Units.Quote(d[1]), from: d);
                d.Carry();
                break;
            default: return false;
        }
        return true;
    }

    /// <summary>Pairs certificates with keys, and checks settings that depend on each other.</summary>
    /// <returns>Whether the block can be written.</returns>
    public bool Finish(Directive server)
    {
        if (!HasCertificate || _certificates.Count != _keys.Count)
        {
            (_firstCertificate ?? server).Report("TLS needs a certificate and its key: set tls.certificate and tls.key of the listener");
            if (!HasCertificate)
            {
                string missing = target.File(folder, "certificate-and-key.pem");
                if (_certificates.Count == 0) _certificates.Add(missing);
                if (_keys.Count == 0) _keys.Add(missing);
            }
            int pairs = Math.Min(_certificates.Count, _keys.Count);
            _certificates.RemoveRange(pairs, _certificates.Count - pairs);
            _keys.RemoveRange(pairs, _keys.Count - pairs);
        }
        Block.Set("certificate", List(_certificates));
        Block.Set("key", List(_keys));
        if (VerifiesClients && !Block.Has("client-ca"))
        {
            server.Report("ssl_verify_client without ssl_client_certificate: set tls.client-ca, then verify-client");
            Block.Remove("verify-client");
        }
        return true;
    }

    /// <summary>For a further server of the same address: its certificate with the names that clients request.</summary>
    public string? BySni(IReadOnlyList<string> names)
    {
        string[] exact = [.. names.Where(n => AddressText.IsHost(n.StartsWith("*.", StringComparison.Ordinal) ? n[2..] : n))];
        return exact.Length == 0 || _certificates.Count == 0 || _certificates.Count != _keys.Count ? null
            : $"{{ names = [{string.Join(", ", exact.Select(HoconPath.QuoteText))}], certificate = {List(_certificates)}, key = {List(_keys)} }}";
    }

    private static string List(List<string> files) => files.Count == 1 ? files[0] : $"[{string.Join(", ", files)}]";

    private void Certificate(Directive d, List<string> files)
    {
        if (d.Words.Count != 1 || d[0].Contains('$', StringComparison.Ordinal) || d[0].StartsWith("data:", StringComparison.Ordinal) || d[0].StartsWith("engine:", StringComparison.Ordinal) || d[0].StartsWith("store:", StringComparison.Ordinal))
        {
            d.Report("not a file's name: list the files in tls.certificates, each with its names");
            return;
        }
        _firstCertificate ??= d;
        files.Add(target.File(folder, d[0]));
        // The first of each kind keeps its place among the keys.
        Block.Set(files == _certificates ? "certificate" : "key", List(files), from: d);
        d.Carry();
    }

    private void Protocols(Directive d)
    {
        string[] known = [.. d.Words.Select(w => w.Text).Where(w => w is "TLSv1" or "TLSv1.1" or "TLSv1.2" or "TLSv1.3").Distinct()];
        string[] others = [.. d.Words.Select(w => w.Text).Except(known)];
        if (others.Length > 0) d.Report($"{string.Join(", ", others)}: ActorLb supports TLSv1 to TLSv1.3");
        if (known.Length == 0) return;
        Block.Set("protocols", $"[{string.Join(", ", known)}]", "[TLSv1.2, TLSv1.3]", d,
            known.Any(k => k is "TLSv1" or "TLSv1.1") ? "the two oldest work only with \"@SECLEVEL=0\" in ciphers, as with NGINX on OpenSSL 3" : null);
        d.Carry();
    }

    private void SessionCache(Directive d)
    {
        if (d.Is("off") || d.Is("none"))
        {
            Block.Set("session-cache", "off", null, d);
            d.Carry();
            return;
        }
        if (d.Words.Find(w => w.Text.StartsWith("shared:", StringComparison.Ordinal)).Text is { } shared)
        {
            string[] parts = shared.Split(':');
            Block.Size("session-cache", d, parts.Length > 2 ? parts[2] : "", 1 << 10, 16L << 30, "10MiB");
            return;
        }
        // builtin:1000 counts sessions; a MiB holds about 4,000.
        string[] builtin = d[0].Split(':');
        if (builtin[0] == "builtin") Block.Size("session-cache", d, $"{Math.Max(1, ((builtin.Length > 1 ? Units.Number(builtin[1]) : null) ?? 20_480) / 4)}k", 1 << 10, 16L << 30, "10MiB");
        else d.Report("invalid: set tls.session-cache to a size, or off");
    }

    private void VerifyClient(Directive d)
    {
        switch (d[0])
        {
            case "on" or "optional" or "off":
                Block.Set("verify-client", d[0], "off", d);
                d.Carry();
                break;
            case "optional_no_ca":
                Block.Set("verify-client", "optional", "off", d);
                d.Report("optional_no_ca: ActorLb accepts a certificate only if one of client-ca's authorities has signed it; verify-client = optional is written");
                break;
            default:
                d.Report("invalid: set tls.verify-client to on, off or optional");
                break;
        }
    }

    private void Text(string key, Directive d, string absent)
    {
        if (d[0].Length == 0)
        {
            d.Report($"is empty: the default of tls.{key} applies");
            return;
        }
        Block.Set(key, Units.Quote(d[0]), Units.Quote(absent), d);
        d.Carry();
    }

    private void Flag(string key, Directive d, string absent)
    {
        if (d[0] is not ("on" or "off"))
        {
            d.Report("neither on nor off");
            return;
        }
        Block.Set(key, d[0], absent, d);
        d.Carry();
    }

    private void File(string key, Directive d)
    {
        if (d[0].Length == 0 || d[0].Contains('$', StringComparison.Ordinal))
        {
            d.Report($"not a file's name: set tls.{key} by hand");
            return;
        }
        Block.Set(key, target.File(folder, d[0]), from: d);
        d.Carry();
    }
}
