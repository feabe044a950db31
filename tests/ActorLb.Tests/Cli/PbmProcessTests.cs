using System.Text.Json;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using ActorLb.Tests.Admin;

namespace ActorLb.Tests.Cli;

/// <summary>The program as operators run it, against a node in the test process.</summary>
public sealed class PbmProcessTests
{
    private static readonly string Pbm = Path.Combine(AppContext.BaseDirectory, "pbm");

    [Fact]
    public async Task Table_IsForPeople_JsonIsWhatTheApiAnswered()
    {
        await using var node = await AdminNode.StartAsync();
        var table = await RunAsync(node, "pool", "show", "emqx");
        Assert.Equal(0, table.ExitCode);
        Assert.Contains(table.Lines, l => l.Contains("connections", StringComparison.Ordinal) && l.Contains("health", StringComparison.Ordinal));
        Assert.Contains(table.Lines, l => l.Contains(node.Two.EndPoint.ToString(), StringComparison.Ordinal) && l.Contains("yes", StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', table.Output);

        var json = await RunAsync(node, "pool", "show", "emqx", "--json");
        Assert.Equal(await node.Http.GetStringAsync("pools/emqx"), json.Output);
    }

    [Fact]
    public async Task ActorTree_ShowsWhatStandsBelowWhat()
    {
        await using var node = await AdminNode.StartAsync();
        var tree = await RunAsync(node, "actor", "tree");
        Assert.Equal(0, tree.ExitCode);
        Assert.Contains(tree.Lines, l => l.TrimStart().StartsWith("node/user ", StringComparison.Ordinal));
        int pool = tree.Lines.ToList().FindIndex(l => l.Contains("pool-plain ", StringComparison.Ordinal));
        int Indent(int line) => tree.Lines[line].Length - tree.Lines[line].TrimStart().Length;
        Assert.Contains($"{node.One.EndPoint} ", tree.Lines[pool + 1], StringComparison.Ordinal);
        Assert.Equal(Indent(pool) + 2, Indent(pool + 1));
    }

    [Fact]
    public async Task Change_HoldsOnTheNode()
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.Two.EndPoint.ToString();
        Assert.Equal(0, (await RunAsync(node, "sticky", "set", "@odd client", $"emqx/{id}")).ExitCode);
        var found = await RunAsync(node, "--json", "sticky", "get", "@odd client");
        Assert.Equal(id, JsonSerializer.Deserialize(found.Output, AdminJson.Wire.StickyEntries)!.Entries[0].Backend);
        var drain = await RunAsync(node, "pool", "drain", id, "--deadline", "2h");
        Assert.Contains(drain.Lines, l => l.Contains("drain, down in ", StringComparison.Ordinal));
        Assert.Equal(0, (await RunAsync(node, "pool", "up", id)).ExitCode);
        Assert.Equal(0, (await RunAsync(node, "pool", "weight", id, "9")).ExitCode);
        Assert.Equal(9, node.Node.Pools.Single(p => p.Name == "emqx").Pool.Snapshot.Find(id)!.Weight);
    }

    [Fact]
    public async Task Ban_AddedListedAndRemoved()
    {
        await using var node = await AdminNode.StartAsync();
        var added = await RunAsync(node, "ban", "add", "--address", "192.0.2.7", "--for", "2h", "--reason", "a flood");
        Assert.Contains("address 192.0.2.7/32 is banned for 2h", added.Output, StringComparison.Ordinal);
        var list = await RunAsync(node, "ban", "list");
        Assert.Contains(list.Lines, l => l.Contains("192.0.2.7/32", StringComparison.Ordinal) && l.Contains("a flood", StringComparison.Ordinal));
        Assert.Equal(0, (await RunAsync(node, "ban", "remove", "--address", "192.0.2.7")).ExitCode);
        Assert.Empty(node.Node.Bans.All());
    }

    [Theory]
    [InlineData(1, "there is no ban of client-id nobody", "ban", "remove", "--client-id", "nobody")]
    [InlineData(1, "is not an address or network", "ban", "add", "--address", "nowhere")]
    [InlineData(2, "one of --client-id, --username and --address", "ban", "add")]
    [InlineData(2, "one of --client-id, --username and --address", "ban", "add", "--client-id", "a", "--username", "b")]
    [InlineData(2, "is not a duration such as", "ban", "add", "--client-id", "a", "--for", "soon")]
    [InlineData(1, "did you mean 'emqx'?", "pool", "show", "emxq")]
    [InlineData(1, "weight", "pool", "weight", "x:1", "0")]
    [InlineData(1, "no session", "session", "find", "nobody")]
    [InlineData(1, "there is no cluster to leave", "cluster", "leave")]
    [InlineData(2, "pbm: no command 'pol' of pbm; did you mean 'pool'?\npbm: see: pbm --help", "pol", "list")]
    [InlineData(2, "pbm: no command 'shwo' of pbm pool; did you mean 'show'?\npbm: see: pbm pool --help", "pool", "shwo", "emqx")]
    [InlineData(2, "did you mean 'cluster-sharding'?", "cluster-shading", "stats")]
    [InlineData(2, "no command 'xyzzy' of pbm listener; known: list, pause, resume", "listener", "xyzzy")]
    [InlineData(2, "did you mean '--json'?", "pool", "list", "--jsn")]
    [InlineData(2, "--key needs --cert", "node", "info", "--key", "/nowhere")]
    [InlineData(2, "is not a duration such as", "pool", "drain", "x:1", "--deadline", "soon")]
    [InlineData(2, "see: pbm pool --help", "pool")]
    [InlineData(2, "WEIGHT", "pool", "weight", "x:1")]
    [InlineData(2, "many", "pool", "weight", "x:1", "many")]
    [InlineData(2, "--token-file", "node", "info", "--token-file", "/dev/null")]
    [InlineData(2, "/nowhere", "node", "info", "--ca", "/nowhere")]
    [InlineData(2, "/nowhere", "config", "check", "/nowhere")]
    public async Task ExitCode_TellsWhoseFaultItIs(int code, string message, params string[] command)
    {
        await using var node = await AdminNode.StartAsync();
        var result = await RunAsync(node, command);
        Assert.Equal((code, result.Output), (result.ExitCode, result.Output));
        Assert.Contains(message, result.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("pbm [command] [options]", "help")]
    [InlineData("pbm pool [command]", "help", "pool")]
    [InlineData("pbm pool drain <B>", "--host", "127.0.0.1:1", "help", "pool", "drain")]
    [InlineData("1.", "-V")]
    public async Task Help_AndVersion_AreAsOfTheServer(string text, params string[] command)
    {
        var result = await ProcessHost.RunAsync(Pbm, command);
        Assert.Equal((0, result.Output), (result.ExitCode, result.Output));
        Assert.Contains(text, result.Output, StringComparison.Ordinal);
    }

    /// <summary>As bash does when Tab is pressed: with what the program has it run.</summary>
    [Theory]
    [InlineData("pbm po", "pool")]
    [InlineData("pbm --host ADDR pool dr", "drain")]
    [InlineData("pbm --host ADDR pool show e", "emqx")]
    [InlineData("pbm --host ADDR pool show ", "emqx plain")]
    [InlineData("pbm pool drain x:1 --dead", "--deadline")]
    [InlineData("pbm --host ADDR pool drain BACKEND", "PORT")]
    [InlineData("actorlb che", "check")]
    [InlineData("actorlb bench co", "conn")]
    public async Task Bash_CompletesTheCommandLine(string line, string expected)
    {
        await using var node = await AdminNode.StartAsync();
        string begun = node.Two.EndPoint.ToString()[..^1];
        line = line.Replace("ADDR", node.Address.ToString(), StringComparison.Ordinal).Replace("BACKEND", begun, StringComparison.Ordinal);
        // Behind the colon, as bash has it; of two brokers whose ports begin alike both.
        if (expected == "PORT")
        {
            expected = string.Join(' ', new[] { node.One, node.Two }.Select(b => b.EndPoint.ToString()).Where(b => b.StartsWith(begun, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal).Select(b => b.Split(':')[1]));
        }
        string program = line.Split(' ')[0];
        var result = await ProcessHost.RunAsync("bash", ["-c", $"""
            PATH='{AppContext.BaseDirectory}':$PATH
            eval "$({program} completion bash)"
            COMP_WORDBREAKS=$' \t\n"'"'"'><=;|&(:' COMP_LINE='{line}' COMP_POINT={line.Length}
            _{program}
            printf '%s\n' "${"{"}COMPREPLY[@]{"}"}" | sort | tr '\n' ' '
            """]);
        Assert.Equal((0, expected), (result.ExitCode, result.Output.Trim()));
    }

    [Fact]
    public async Task NobodyThere_OrSomebodyElse_IsUnreachable()
    {
        var refused = await ProcessHost.RunAsync(Pbm, ["--host", "127.0.0.1:1", "node", "info"]);
        Assert.Equal(3, refused.ExitCode);
        Assert.Contains("127.0.0.1:1", refused.Output, StringComparison.Ordinal);

        await using var stranger = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"u8.ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        var other = await ProcessHost.RunAsync(Pbm, ["--host", stranger.EndPoint.ToString(), "node", "info"]);
        Assert.Equal(3, other.ExitCode);
        Assert.Contains("not answer like a node", other.Output, StringComparison.Ordinal);

        var address = await ProcessHost.RunAsync(Pbm, ["--host", "ftp://x", "node", "info"]);
        Assert.Equal(2, address.ExitCode);
    }

    [Fact]
    public async Task Token_FromAFile_IsSent()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        Assert.Equal(1, (await RunAsync(node, "node", "info")).ExitCode);
        var right = await RunAsync(node, "node", "info", "--token-file", node["token"]);
        Assert.Equal((0, right.Output), (right.ExitCode, right.Output));
    }

    [Fact]
    public async Task Tls_BelievesOnlyItsAuthority_AndShowsItsCertificate()
    {
        using var folder = new TempFolder();
        using var authority = new ServiceAuthority(folder.Path, "ca");
        (string certificate, string key) = authority.Issue("node");
        (string own, string ownKey) = authority.Issue("operator");
        string ca = authority.CertificateFile;
        await using var node = await AdminNode.StartAsync(admin: $"tls {{ certificate = \"{certificate}\", key = \"{key}\", ca = \"{ca}\" }}");
        string host = $"https://{node.Address}";

        var trusted = await ProcessHost.RunAsync(Pbm, ["--host", host, "--ca", ca, "--cert", own, "--key", ownKey, "node", "info"]);
        Assert.Equal((0, trusted.Output), (trusted.ExitCode, trusted.Output));
        var insecure = await ProcessHost.RunAsync(Pbm, ["--host", host, "--insecure", "--cert", own, "--key", ownKey, "node", "info"]);
        Assert.Equal((0, insecure.Output), (insecure.ExitCode, insecure.Output));
        var stranger = await ProcessHost.RunAsync(Pbm, ["--host", host, "--cert", own, "--key", ownKey, "node", "info"]);
        Assert.Equal((3, stranger.Output), (stranger.ExitCode, stranger.Output));
        var nobody = await ProcessHost.RunAsync(Pbm, ["--host", host, "--ca", ca, "node", "info"]);
        Assert.Equal((3, nobody.Output), (nobody.ExitCode, nobody.Output));
        Assert.EndsWith("where admin.tls has a ca it wants a client certificate: --cert and --key", nobody.Output.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_FilesThatCannotBeUsed_AreNamed()
    {
        using var certificates = new TestCertificates();
        using var folder = new TempFolder();
        TestCertificate one = certificates.Client("CN=one"), two = certificates.Client("CN=two"), rsa = certificates.Client("CN=three", rsa: true);
        string garbage = folder.Write("garbage", "garbage");
        foreach (var other in new[] { two, rsa })
        {
            await HasAsync($"--key {other.KeyPath}: does not belong to the certificate {one.CertificatePath}", "--cert", one.CertificatePath, "--key", other.KeyPath);
        }
        await HasAsync($"--key {garbage}: holds no readable PEM private key", "--cert", one.CertificatePath, "--key", garbage);
        await HasAsync($"--cert {one.CertificatePath}: holds no readable PEM private key", "--cert", one.CertificatePath);
        await HasAsync($"--cert {garbage}: holds no readable PEM certificate", "--cert", garbage, "--key", one.KeyPath);
        await HasAsync($"--ca {garbage}: holds no readable PEM certificate", "--ca", garbage);
        await HasAsync($"--ca {folder["none"]}: it does not exist", "--ca", folder["none"]);

        static async Task HasAsync(string expected, params string[] options)
        {
            var result = await ProcessHost.RunAsync(Pbm, ["--host", "https://127.0.0.1:1", .. options, "node", "info"]);
            Assert.Equal((2, $"pbm: {expected}"), (result.ExitCode, result.Output.Trim()));
        }
    }

    [Fact]
    public async Task ConfigCheck_Invalid_TellsWhereAndExitsWithOne()
    {
        await using var node = await AdminNode.StartAsync();
        using var folder = new TempFolder();
        string file = folder.Write("new.conf", "actorlb {\n  nodes { }\n}\n");
        var bad = await RunAsync(node, "config", "check", file);
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains($"{file}:2:3: actorlb.nodes", bad.Output, StringComparison.Ordinal);
        var good = await RunAsync(node, "config", "check", node.Configuration);
        Assert.Equal((0, $"{node.Configuration}: the configuration is valid (1 listener, 2 pools)"), (good.ExitCode, good.Lines[^1]));
    }

    [Fact]
    public async Task Session_OfAClientWithEscapesInItsId_LeavesTheTerminalAlone()
    {
        await using var node = await AdminNode.StartAsync();
        using var client = await node.ConnectAsync("x\u202ey");
        var list = await RunAsync(node, "session", "list");
        Assert.Contains("x\\u202ey", list.Output, StringComparison.Ordinal);
    }

    /// <summary>The library of the tables ends with an exception on characters of whose width it knows nothing.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Session_OfAnyName_IsShownByEveryCommand_AndJsonIsExact()
    {
        await using var node = await AdminNode.StartAsync();
        string[] ids =
        [
            "u\uffff", "tag\udb40\udc41", "esc\u001b[2J\u009b1m", "two\u2028lines\u2029", "hidden\u200b\u2060\ufeff\u3164", "[red]markup[/]", "new\nline\rback",
            "marks" + new string('\u0301', 500), "right\u202eleft", "wide" + new string('字', 20_000), "none\u0378\ue000", "back\\u001b",
        ];
        var clients = new List<RawClient>();
        foreach (string id in ids) clients.Add(await node.ConnectAsync(id));
        var list = await RunAsync(node, "session", "list");
        Assert.Equal((0, ids.Length + 2), (list.ExitCode, list.Lines.Count));
        AssertHarmless(list);
        Assert.Contains(list.Lines, l => l.TrimStart().StartsWith("tag\\udb40\\udc41 ", StringComparison.Ordinal) && l.Contains(" established ", StringComparison.Ordinal));
        foreach (string id in ids)
        {
            foreach (string[] command in (string[][])[["session", "find"], ["sticky", "get"]])
            {
                var table = await RunAsync(node, [.. command, id]);
                Assert.Equal((0, table.Output), (table.ExitCode, table.Output));
                AssertHarmless(table);
            }
            var json = await RunAsync(node, "session", "find", id, "--json");
            AssertHarmless(json);
            Assert.Equal(id, JsonSerializer.Deserialize(json.Output, AdminJson.Wire.SessionPage)!.Sessions[0].ClientId);
        }
        var unknown = await RunAsync(node, "pool", "show", "\u001b[2J\u202e");
        Assert.Equal(1, unknown.ExitCode);
        AssertHarmless(unknown);
        var kick = await RunAsync(node, "session", "kick", ids[2]);
        Assert.Equal((0, "esc\\u001b[2J\\u009b1m: 1 disconnected (1 on lb-1)"), (kick.ExitCode, kick.Output));
        clients.ForEach(c => c.Dispose());

        static void AssertHarmless(ProcessResult result) => Assert.All(
            result.Output, c => Assert.False(c is not '\n' && (char.IsControl(c) || c is '\u2028' or '\u2029' or '\u200b' or '\u202e' or '\ufeff' or '\uffff' or '\ue000' or '\udb40'), $"U+{(int)c:X4}"));
    }

    [Theory]
    [InlineData("--token-file")]
    [InlineData("--ca")]
    [InlineData("--cert")]
    public async Task File_WithoutEnd_IsRefused(string option)
    {
        var zero = await ProcessHost.RunAsync(Pbm, ["--host", "https://127.0.0.1:1", option, "/dev/zero", "node", "info"]);
        Assert.Equal((2, $"pbm: {option} /dev/zero: it is larger than 16 MiB"), (zero.ExitCode, zero.Output.Trim()));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task File_APipeThatNobodyWrites_IsGivenUp_OneOfAShellIsRead()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        using var folder = new TempFolder();
        string fifo = Fifo.Make(folder["fifo"]);
        var silent = await RunAsync(node, "node", "info", "--token-file", fifo);
        Assert.Equal((2, $"pbm: --token-file {fifo}: could not be read within 10 s"), (silent.ExitCode, silent.Output.Trim()));
        var read = await ProcessHost.RunAsync("bash", ["-c", $"'{Pbm}' --host {node.Address} --token-file <(echo s3cret) node info"]);
        Assert.Equal((0, read.Output), (read.ExitCode, read.Output));
    }

    [Fact]
    public async Task Get_OfAClientWithoutABroker_IsANo()
    {
        await using var node = await AdminNode.StartAsync();
        var found = await RunAsync(node, "sticky", "get", "nobody");
        Assert.Equal(1, found.ExitCode);
        Assert.Contains(found.Lines, l => l.Contains("nobody", StringComparison.Ordinal));
    }

    private static Task<ProcessResult> RunAsync(AdminNode node, params IEnumerable<string> command) =>
        ProcessHost.RunAsync(Pbm, ["--host", node.Address.ToString(), .. command]);
}
