using System.Text;
using ActorLb.Configuration.Import;
using ActorLb.Configuration.Import.HAProxy;
using ActorLb.Configuration.Import.Nginx;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Import;

/// <summary>
/// The tables of directives are true: each row's example becomes what the row says, and docs/import.md lists the rows and no others. With
/// ACTORLB_WRITE_DOCS set the page is written anew.
/// </summary>
public sealed class DirectiveTableTests
{
    public static TheoryData<string, string> NginxRows => [.. NginxDirectives.Table.Entries.Select(e => (e.Where, e.Name))];

    public static TheoryData<string, string> HAProxyRows => [.. HAProxyDirectives.Table.Entries.Select(e => (e.Where, e.Name))];

    [Theory, MemberData(nameof(NginxRows))]
    public void Nginx_ExampleOfTheRow_BecomesWhatTheRowSays(string where, string name)
    {
        var entry = NginxDirectives.Table.Entries.Single(e => e.Where == where && e.Name == name);
        using var file = ImportedFile.Nginx(InNginx(entry), ("conf.d/a.conf", "worker_processes 2;"), ("ca.pem", ""));
        Directive[] found = [.. file.Result.Directives.Where(d => Matches(d.Name, name))];
        Assert.NotEmpty(found);
        Assert.Contains(found, d => d.Verdict == entry.Verdict);
        if (entry.Verdict != Verdict.Reported) Assert.DoesNotContain(found, d => d.Verdict == Verdict.Reported);
        Assert.Empty(file.Load().Errors);
    }

    [Theory, MemberData(nameof(HAProxyRows))]
    public void HAProxy_ExampleOfTheRow_BecomesWhatTheRowSays(string where, string name)
    {
        var entry = HAProxyDirectives.Table.Entries.Single(e => e.Where == where && e.Name == name);
        using var file = ImportedFile.HAProxy(InHAProxy(entry), ("a.pem", ""), ("ca.pem", ""), ("c.pem", ""), ("r.pem", ""));
        bool word = where is "bind" or "server" && name.Contains(' ', StringComparison.Ordinal);
        Directive[] found = [.. file.Result.Directives.Where(d => word ? d.Name == where && d.Words.Exists(w => Matches($"{where} {w.Text}", name)) : Matches(Key(d), name))];
        Assert.NotEmpty(found);
        // A line of words that need nothing is carried as a whole.
        var expected = word && entry.Verdict == Verdict.NotNeeded ? Verdict.Carried : entry.Verdict;
        Assert.Contains(found, d => d.Verdict == expected);
        if (expected != Verdict.Reported) Assert.DoesNotContain(found, d => d.Verdict == Verdict.Reported);
        Assert.Empty(file.Load().Errors);
    }

    [Fact]
    public void Docs_ListTheRows()
    {
        string path = RepositoryRoot.File("docs", "import.md");
        string written = File.ReadAllText(path), begin = "<!-- The tables are the importer's own. -->\n";
        int at = written.IndexOf(begin, StringComparison.Ordinal);
        Assert.True(at >= 0);
        string expected = written[..(at + begin.Length)] + Tables();
        if (Environment.GetEnvironmentVariable("ACTORLB_WRITE_DOCS") is { Length: > 0 }) File.WriteAllText(path, expected);
        Assert.Equal(expected.Split('\n'), File.ReadAllText(path).Split('\n'));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void UnknownDirective_IsTold(bool nginx)
    {
        using var file = nginx
            ? ImportedFile.Nginx("stream { server { listen 1883; frobnicate on; proxy_pass 192.0.2.1:1883; } }")
            : ImportedFile.HAProxy("listen a\n  bind *:1883\n  frobnicate on\n  option frobnicate\n  server a 192.0.2.1:1883 frobnicate\n");
        Assert.All(file.Result.Directives.Where(d => d.Name is "frobnicate" or "option" || d.Has("frobnicate")), d => Assert.Equal(Verdict.Reported, d.Verdict));
        Assert.Contains(file.Told, t => t.Contains("unknown", StringComparison.Ordinal));
    }

    private static string Key(Directive d) => d.Block is null ? HAProxyDirectives.KeyOf(d) : d.Name;

    private static bool Matches(string name, string row) => row.EndsWith('*') ? name.StartsWith(row[..^1], StringComparison.Ordinal) : name == row;

    /// <summary>The example in a file that is whole otherwise; what it replaces is left out.</summary>
    private static string InNginx(DirectiveEntry entry)
    {
        string example = entry.Example, name = entry.Name;
        string tls = example.Contains("ssl_", StringComparison.Ordinal) && !example.Contains("proxy_ssl", StringComparison.Ordinal) || name == "ssl"
            ? $"{(name == "ssl" ? "listen 8883;" : "listen 8883 ssl;")} {Unless("ssl_certificate ", "ssl_certificate a.pem;")} {Unless("ssl_certificate_key ", "ssl_certificate_key a.key;")}"
            : Unless("listen ", "listen 1883;");
        string server = $"server {{ {tls} {Unless("proxy_pass ", "proxy_pass brokers;")} {(entry.Where == "stream server" ? example : "")} }}";
        string upstream = $"upstream brokers {{ {(entry.Where == "upstream" ? example : "")} server a.example.net:1883; server b.example.net:1883; }}";
        string uses = name switch
        {
            "split_clients" => "server { listen 2886; proxy_pass brokers; proxy_bind $from; }",
            "map" => "server { listen 2887; proxy_pass $same; }",
            "limit_conn_zone" => "server { listen 2888; proxy_pass brokers; limit_conn one 5; }",
            "limit_conn" => "limit_conn_zone $binary_remote_addr zone=perip:10m;",
            "match" => "server { listen 2889; proxy_pass brokers; health_check match=answers; }",
            _ => "",
        };
        string stream = name == "stream" ? "" : $"stream {{ {(entry.Where == "stream" ? example : "")} {upstream} {uses} {server} }}\n";
        bool site = entry.Where is "http server" or "location" or "http";
        string location = $"location /mqtt {{ proxy_pass http://brokers_ws; proxy_set_header Upgrade $http_upgrade; {(entry.Where == "location" && name != "stub_status" ? example : "")} }}";
        string web = !site ? "" : $$"""
            http { {{(entry.Where == "http" ? example : "")}} upstream brokers_ws { server 192.0.2.1:8083; }
              {{(name == "server_name" ? "server { listen 8083 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; server_name x.example.net; location /mqtt { proxy_pass http://brokers_ws; proxy_set_header Upgrade $http_upgrade; } }" : "")}}
              server { {{(name == "server_name" ? "listen 8083 ssl; ssl_certificate b.pem; ssl_certificate_key b.key;" : "listen 8083;")}} {{(entry.Where == "http server" ? example : "")}} {{(name == "location" ? "" : location)}} }
              {{(name == "stub_status" ? "server { listen 127.0.0.1:8888; location /status { stub_status; } }" : "")}} }
            """;
        string main = entry.Where == "main" ? name is "http" or "events" or "stream" ? example + (name == "stream" ? $"\nstream {{ {upstream} {server} }}" : "") : example : "";
        return $"{main}\nevents {{ {(entry.Where == "events" ? example : "")} }}\n{stream}{web}";

        string Unless(string own, string text) => entry.Where == "stream server" && example.Contains(own, StringComparison.Ordinal) ? "" : text;
    }

    private static string InHAProxy(DirectiveEntry entry)
    {
        string example = entry.Example;
        string global = "global\n  log stdout format raw daemon info\n" + (entry.Where == "global" ? $"  {example}\n" : "");
        string uses = entry.Name.StartsWith("ssl-default-bind", StringComparison.Ordinal) || entry.Name.StartsWith("tune.ssl", StringComparison.Ordinal) ? "  bind *:8883 ssl crt a.pem\n"
            : entry.Name == "acl" ? "  tcp-request connection reject unless office\n" : "";
        string front = "frontend front\n  bind *:1883\n  default_backend brokers\n" + uses + (entry.Where is "frontend" or "bind" ? $"  {example}\n" : "");
        if (entry.Name is "default_backend") front = "frontend front\n  bind *:1883\n" + $"  {example}\n";
        if (entry.Name is "disabled") front += "frontend second\n  bind *:1885\n  default_backend brokers\n";
        if (entry.Name.StartsWith("stats", StringComparison.Ordinal) && entry.Where == "frontend") front = front.Replace($"  {example}\n", "", StringComparison.Ordinal) + $"frontend page\n  bind 127.0.0.1:9000\n  mode http\n  stats enable\n  {example}\n";
        string back = "backend brokers\n" + (entry.Name is "stick-table" ? "  stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)\n" : "")
            + (entry.Where is "backend" or "server" && !example.StartsWith("server", StringComparison.Ordinal) ? $"  {example}\n" : "")
            + (entry.Name is "server-template" ? "" : entry.Where == "server" ? "" : "  server a 192.0.2.1:1883 check\n")
            + (example.StartsWith("server", StringComparison.Ordinal) && entry.Where is "backend" or "server" ? $"  {example}\n" : "");
        if (entry.Name is "setenv" or "presetenv") back += "  server c ${BROKER}:1883\n";
        string resolvers = entry.Where == "resolvers" ? $"resolvers docker\n  {example}\n" : "";
        string section = entry.Where == "section" && entry.Name is not "global" ? $"{example}\n" + (entry.Name is "frontend" or "listen" ? "  bind *:2883\n  default_backend brokers\n" : entry.Name == "backend" ? "  server a 192.0.2.1:1883\n" : "") : "";
        return global + resolvers + (entry.Name == "defaults" ? "" : "defaults\n  mode tcp\n") + section + back + front;
    }

    private static string Tables()
    {
        var text = new StringBuilder();
        Table("NGINX", NginxDirectives.Table);
        Table("HAProxy", HAProxyDirectives.Table);
        return text.ToString();

        void Table(string program, DirectiveTable table)
        {
            text.Append($"\n## {program}\n\n| directive | in | verdict | becomes, or why not, or what to do instead |\n|---|---|---|---|\n");
            foreach (var rows in table.Entries.GroupBy(e => (e.Where, e.Verdict, e.Text)))
            {
                string verdict = rows.Key.Verdict switch { Verdict.Carried => "carried", Verdict.NotNeeded => "not needed", _ => "told" };
                string names = string.Join(", ", rows.Select(r => $"`{(r.Where is "bind" or "server" && r.Name.StartsWith(r.Where + " ", StringComparison.Ordinal) ? r.Name[(r.Where.Length + 1)..] : r.Name)}`"));
                text.Append($"| {names} | {rows.Key.Where} | {verdict} | {rows.Key.Text.Replace("|", "\\|", StringComparison.Ordinal)} |\n");
            }
        }
    }
}
