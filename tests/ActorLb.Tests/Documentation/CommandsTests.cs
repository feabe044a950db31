using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using ActorLb.Tests.Admin;
using ActorLb.Tests.Configuration.Import;

namespace ActorLb.Tests.Documentation;

/// <summary>Every command in README.md and docs/ runs in a test, or its rule says why it cannot.</summary>
public sealed partial class CommandsTests(NamedFiles files) : IClassFixture<NamedFiles>
{
    private static readonly string[] Languages = ["sh", "console", "hocon", "mermaid", ""];

    public static TheoryData<string> DocumentsWithCommands => [.. DocumentBlocks.Documents.Where(d => d != Tour && CommandsToRun(d).Count > 0)];

    private const string Tour = "docs/tour.md";

    [Fact]
    public void Blocks_AreOfAKnownLanguage_AndOnlyThoseOfCommandsHoldCommands()
    {
        Assert.All(DocumentBlocks.All, b => Assert.True(Languages.Contains(b.Language), $"{b}: a block {b.Language}; known: {string.Join(", ", Languages)}"));
        Assert.All(
            DocumentBlocks.All.Where(b => b.Language is not ("sh" or "console")),
            b => Assert.DoesNotContain(b.Lines, l => Regex.IsMatch(l, @"^\s*(?:\$ |(?:actorlb|pbm) [a-z])", RegexOptions.None, TimeSpan.FromSeconds(1)) && !l.TrimEnd().EndsWith('{')));
    }

    [Fact]
    public void EveryCommand_HasARule_AndEveryRuleACommand()
    {
        ShownCommand[] commands = [.. DocumentBlocks.All.SelectMany(DocumentBlocks.Commands)];
        Assert.True(commands.Length > 60, $"{commands.Length} commands");
        Assert.Empty(commands.Where(c => CommandRule.Of(c) is null).Select(c => $"{c}: no rule of CommandRule.All"));
        Assert.Empty(CommandRule.All.Except(commands.Select(CommandRule.Of)).Select(r => $"{r!.Pattern}: no command is left for this rule"));
        Assert.Empty(CommandRule.All.Where(r => !r.IsTrue()).Select(r => $"{r.Pattern}: {r.Test} does not run them: it lacks {r.Evidence}"));
    }

    /// <summary>Against a fleet of one with two brokers, which stands for every node and broker that a document names.</summary>
    [Theory]
    [MemberData(nameof(DocumentsWithCommands))]
    public async Task Commands_OfADocument_RunAsItSays(string document)
    {
        int port = Ports.Free();
        await using var node = await AdminNode.StartAsync(more: $$"""
            pools.plain = null
            cluster { bind = "127.0.0.1:{{port}}", seeds = ["127.0.0.1:{{port}}"], form-after = 1s }
            """);
        await WaitUntilAMemberAsync(node);
        using RawClient client = await node.ConnectAsync("meter-16"), other = await node.ConnectAsync("meter-17");
        using var session = new CommandSession { Admin = node.Address.ToString() };
        foreach (string name in (string[])["lb-1:8888", "lb-2:8888", "lb-3:8888", "127.0.0.1:8888"]) session.Replace(name, node.Address.ToString());
        foreach (string name in (string[])["emqx1.example.com:1883", "10.20.0.11:1883"]) session.Replace(name, node.One.EndPoint.ToString());
        session.Replace("emqx4.example.com:1883", "127.0.0.1:9");
        session.Replace("-h 127.0.0.1 -p 1883", $"-h 127.0.0.1 -p {node.Mqtt.Port}");
        foreach (string folder in (string[])["/etc/actorlb/", "/etc/nginx/", "/etc/haproxy/"]) session.Replace(folder, session[""] + "/");
        session.Write("token", "token");
        session.Write("actorlb.conf", await File.ReadAllTextAsync(RepositoryRoot.File("hocon/quickstart.conf")));
        WriteSample(session, "stream-tls-ws.nginx.conf", "nginx.conf");
        WriteSample(session, "sticky-table.haproxy.cfg", "haproxy.cfg");

        await session.RunAsync(CommandsToRun(document));
    }

    /// <summary>From the first command to the last, with the demo of the first in another process.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Tour_FollowedToTheLetter_ShowsWhatItSays()
    {
        DocumentBlock[] blocks = [.. DocumentBlocks.Of(Tour)];
        var shown = blocks.SelectMany(DocumentBlocks.Commands).Single(c => c.Text == "actorlb demo");
        await using var demo = ProcessHost.Start(ActorLbProcess.Program, ["demo"]);
        await demo.WaitForLineAsync("Running until Ctrl-C.");
        HashSet<string> shapes = [.. demo.Lines.Select(CommandSession.Shape)];
        Assert.True(shown.Output.All(l => CommandSession.IsAmong(l, shapes)), demo.Output);

        string After(string word) => demo.Lines.First(l => l.StartsWith(word, StringComparison.Ordinal)).Split("://")[1].Split(' ')[0];
        string admin = After("  admin ");
        using var session = new CommandSession { Admin = admin };
        session.Replace("127.0.0.1:8888", admin);
        string[] brokers = [.. demo.Lines.Where(l => l.StartsWith("  mqtt://", StringComparison.Ordinal)).Select(l => l.Split("://")[1].Split(' ')[0])];
        for (int i = 0; i < brokers.Length; i++) session.Replace($"127.0.0.1:{1884 + i}", brokers[i]);
        // Rather than for a time, wait for what the page gives the time to.
        foreach (string time in (string[])["sleep 5", "sleep 8"])
            session.Replace(time, "until pbm pool show brokers | grep -Eq '(drain of|rebalance) .* done '; do sleep 0.2; done");
        session.Replace("2883", $"{Ports.Free()}");
        session.Replace("8889", $"{Ports.Free()}");
        await session.RunAsync(CommandsToRun(Tour));
    }

    private static List<ShownCommand> CommandsToRun(string document) =>
        [.. DocumentBlocks.Of(document).SelectMany(DocumentBlocks.Commands).Where(c => CommandRule.Of(c)?.IsRunHere == true)];

    /// <summary>Another balancer's file, with the certificates that it names.</summary>
    private void WriteSample(CommandSession session, string sample, string name)
    {
        string text = File.ReadAllText(Path.Combine(ImportedFile.Samples, sample));
        foreach (string file in Certificate().Matches(text).Select(m => m.Groups["file"].Value)) session.Write(file, files.ContentOf(file));
        session.Write(name, Folder().Replace(text, session[""] + "/"));
    }

    private static Task WaitUntilAMemberAsync(AdminNode node) =>
        Wait.UntilAsync(async () => (await node.Http.GetStringAsync("/metrics")).Contains("\nactorlb_fleet_members 1\n", StringComparison.Ordinal));

    [GeneratedRegex("/etc/(?:nginx|haproxy)/(?<file>[a-z/-]+\\.(?:pem|key))")]
    private static partial Regex Certificate();

    [GeneratedRegex("/etc/(?:nginx|haproxy)/")]
    private static partial Regex Folder();
}
