using System.Text.RegularExpressions;
using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>Where the commands that fit the pattern run.</summary>
/// <param name="Pattern">Of a command's text, from its beginning.</param>
/// <param name="Document">Where the command stands; null is anywhere.</param>
internal sealed record CommandRule(string Pattern, string? Document = null, string Language = "")
{
    private readonly Regex _pattern = new($"^(?:{Pattern})", RegexOptions.None, TimeSpan.FromSeconds(1));

    /// <summary>Of the repository: the test that runs them. Null where <see cref="CommandsTests"/> does, or nobody.</summary>
    public string? Test { get; private init; }

    /// <summary>What stands in that test only while it runs them.</summary>
    public string Evidence { get; private init; } = "";

    /// <summary>Why no test runs them.</summary>
    public string? Reason { get; private init; }

    /// <summary><see cref="CommandsTests"/> runs them, as they stand.</summary>
    public bool IsRunHere => Test is null && Reason is null;

    public CommandRule RunBy(string test, string evidence) => this with { Test = test, Evidence = evidence };

    public CommandRule NotRun(string reason) => this with { Reason = reason };

    public bool Fits(ShownCommand command) => (Document is null || command.Document == Document) && (Language == "" || command.Block.Language == Language) && _pattern.IsMatch(command.Text);

    /// <summary>The first that fits counts. A command for which there is none fails a test: give it a rule, best one that runs it.</summary>
    public static readonly CommandRule[] All =
    [
        new CommandRule("pbm --host lb-", "docs/operations.md", "console").RunBy("tests/ActorLb.SystemTests/Fleet/MaintenanceTests.cs", "\"operations.md\""),
        new CommandRule("actorlb demo$", "docs/tour.md").RunBy("tests/ActorLb.Tests/Documentation/CommandsTests.cs", "[\"demo\"]"),
        new CommandRule("actorlb check$", "docs/install.md").RunBy("tests/package.sh", "actorlb check --portable"),
        new("actorlb (?:check|show-config|import|reload|stop|run|bench|completion|--version)"),
        new("pbm "),
        new("printf .* \\| pbm"),
        new("sed "),
        new("cat "),
        new("sleep "),
        new("curl "),
        new("chmod 600 "),
        new("openssl "),
        new("(?:mkdir|install -d) "),
        new CommandRule("deploy/quickstart\\.sh").RunBy("tests/ActorLb.SystemTests/Guide/QuickstartTests.cs", "\"quickstart.sh\""),
        new CommandRule("deploy/fleet\\.sh").RunBy("tests/ActorLb.SystemTests/Guide/FleetScriptTests.cs", "\"fleet.sh\""),
        new CommandRule("deploy/build-deb\\.sh").RunBy("tests/package.sh", "deploy/build-deb.sh"),
        new CommandRule("deploy/build-tarball\\.sh").RunBy("tests/package.sh", "deploy/build-tarball.sh"),
        new CommandRule("tests/run\\.sh").RunBy(".ci/run", "tests/run.sh"),
        new CommandRule("dotnet run --project src/ActorLb\\.Server -c Release -- demo").RunBy("tests/ActorLb.FunctionalTests/Server/DemoTests.cs", "[\"demo\""),
        new CommandRule("dotnet build src/ActorLb\\.(?:Server|Cli) ").RunBy("tests/run.sh", "dotnet build"),
        new CommandRule("PATH=").NotRun("the tests find the programs beside themselves"),
        new CommandRule("dotnet publish src/ActorLb\\.(?:Server|Cli) ").RunBy("deploy/publish.sh", "dotnet publish"),
        new CommandRule("(?:apt-get install|editor|systemctl|runuser|tar -C /opt|useradd|install -[Dm]) ", "docs/install.md")
            .NotRun("changes the machine; tests/package.sh does the same in a root of its own"),
        new CommandRule("docker |kubectl |helm ", "docs/install.md").NotRun("needs a container engine or a cluster; the page says so, and tests check the files"),
        new CommandRule("tests/bench/|tests/attack\\.sh|tests/run\\.sh --project|dotnet run .*ActorLb\\.Benchmarks").NotRun("measures for minutes, and wants a quiet machine"),
        new CommandRule("sysctl |ss |nstat ").NotRun("is of the machine, not of the product"),
    ];

    public static CommandRule? Of(ShownCommand command) => All.FirstOrDefault(r => r.Fits(command));

    /// <summary>What a rule says of a test holds.</summary>
    public bool IsTrue() => Test is null || (File.Exists(RepositoryRoot.File(Test)) && File.ReadAllText(RepositoryRoot.File(Test)).Contains(Evidence, StringComparison.Ordinal));
}
