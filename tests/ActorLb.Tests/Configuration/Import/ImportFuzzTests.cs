using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Import;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Import;

/// <summary>Whatever a file holds, it is converted or refused at a place: no other exception, no result that the loader cannot read.</summary>
public sealed class ImportFuzzTests
{
    private const int Rounds = 250;

    private static readonly string[] Words =
    [
        ";", "{", "}", "\"", "'", "\\", "#", "\n", " ", "$", "${", "x;", "0", "-1", "99999999999999999999", "10%", "*", "[::]:1", "listen 1883;", "server { }", "server a:1;", "upstream u { }",
        "ssl", "proxy_pass $x;", "map $a $b { default $b; }", "include nginx.conf;", "weight=0", "weight=70000", "max_fails=x", "unix:/x", "a.example.net:99999", "allow 1.2.3.4/33;",
        "bind", " bind :1-70000", "\nbackend", "\nfrontend x\n", " server s 1.2.3.4:5 weight 300 check inter 0 rise 0", " acl a src 1.2.3.4 ", " if { src 1.1.1.1 }", "${X", "${X-1}", "\u0000", "\uff0c", "é",
        "\ud83d\ude00", "timeout client 0", "timeout connect 99999999999d", "stick on src", "default_backend", "ssl crt", "crt /nowhere/", "from", "\ndefaults", "\u001b[31m", "hash;", "hash $remote_port;",
        "location / { proxy_pass http://u; proxy_set_header Upgrade x; }", "split_clients a $b { 1% 1.2.3.4; }", "proxy_bind $b;", "mqtt_set_connect clientid \"\";", "\t", "0.0.0.0:0", "proxy_timeout 0;",
    ];

    private static readonly Dictionary<string, string> Environment = new() { ["MQTT_PORT"] = "1883", ["BROKER_1"] = "b1.example.net", ["X"] = "1884" };

    public static TheoryData<string> Samples => [.. Directory.GetFiles(ImportedFile.Samples).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Samples))]
    public void Sample_WithWordsChanged_IsConvertedOrRefusedAtAPlace(string name)
    {
        using var folder = new TempFolder();
        string original = File.ReadAllText(Path.Combine(ImportedFile.Samples, name)).Replace('，', ',');
        bool nginx = name.Contains("nginx", StringComparison.Ordinal);
        string file = folder.Write(nginx ? "nginx.conf" : "haproxy.cfg", original);
        var random = new Random(name.Length * 7919);
        for (int round = 0; round < Rounds; round++)
        {
            string text = Mutate(original, random);
            ImportResult result;
            try
            {
                result = nginx ? Importer.NginxText(text, file) : Importer.HAProxyText(text, file);
            }
            catch (ImportException e)
            {
                Assert.True(e.Position.Line >= 1 && e.Position.Column >= 1, e.Message);
                continue;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"round {round}: {text}", e);
            }
            Assert.All(result.Directives, d => Assert.True(d.Verdict is not null, text));
            var loaded = ConfigurationLoader.LoadText(result.Text, folder["actorlb.conf"], Environment);
            if (loaded.Errors.Any(e => e.Reason.Contains("is not defined, neither here nor in the environment", StringComparison.Ordinal))) continue;
            string[] lines = result.Text.Split('\n'); // What the environment fills in is its own affair.
            string[] errors = [.. loaded.Errors.Where(e => !lines[e.Line - 1].Contains("${", StringComparison.Ordinal)).Select(e => e.ToString()).Where(e => !IsExpected(e))];
            Assert.True(errors.Length == 0, $"round {round}: {string.Join('\n', errors)}\n{text}\n=====\n{result.Text}");
        }
    }

    /// <summary>Files that are not here, addresses of this machine, and what a file without pools lacks.</summary>
    private static bool IsExpected(string error) =>
        error.Contains("cannot be read", StringComparison.Ordinal) || error.Contains("is this node itself", StringComparison.Ordinal) || error.Contains("actorlb.listeners: is empty", StringComparison.Ordinal);

    private static string Mutate(string text, Random random)
    {
        var result = new StringBuilder(text);
        for (int i = random.Next(1, 5); i > 0 && result.Length > 0; i--)
        {
            int at = random.Next(result.Length), length = Math.Min(random.Next(1, 40), result.Length - at);
            switch (random.Next(6))
            {
                case 0: result.Remove(at, length); break;
                case 1: result.Insert(at, Words[random.Next(Words.Length)]); break;
                case 2: result.Insert(at, result.ToString(at, length)); break;
                case 3: result[at] = (char)random.Next(1, 127); break;
                case 4:
                    int line = result.ToString().IndexOf('\n', at);
                    if (line >= 0) result.Insert(line + 1, Words[random.Next(Words.Length)] + "\n");
                    break;
                default:
                    // A word in place of another.
                    int end = at;
                    while (end < result.Length && !char.IsWhiteSpace(result[end])) end++;
                    result.Remove(at, end - at).Insert(at, Words[random.Next(Words.Length)]);
                    break;
            }
        }
        return result.ToString();
    }
}
