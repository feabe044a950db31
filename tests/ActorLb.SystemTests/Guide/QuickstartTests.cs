using System.Globalization;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Guide;

/// <summary>The script with which a newcomer begins.</summary>
[Collection(Fleet.FleetGroup.Name)]
public sealed class QuickstartTests
{
    [Fact]
    public async Task Quickstart_Once_SpreadsTenClientsAndLeavesNothing()
    {
        using var folder = new TempFolder();
        string temporary = Directory.CreateDirectory(folder["tmp"]).FullName;
        var environment = new Dictionary<string, string?>(SystemPath.Environment, StringComparer.Ordinal)
        {
            ["ACTORLB"] = ActorLbProcess.Program,
            ["TMPDIR"] = temporary,
        };
        await using var script = ProcessHost.Start("bash", [RepositoryRoot.File("deploy", "quickstart.sh"), "--once"], environment);
        int code = await script.WaitForExitAsync();
        Assert.True(code == 0, script.Output);

        // A line a broker: its address, its own count, ActorLb's count, a bar as long.
        string[][] rows = [.. script.Lines.Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(w => w is [_, _, _, ['#', ..]] && w[0].StartsWith("127.0.0.1:", StringComparison.Ordinal))];
        Assert.Equal(3, rows.Select(w => w[0]).Distinct().Count());
        Assert.Equal(["4", "3", "3"], rows.Select(w => w[1]).OrderDescending());
        Assert.All(rows, w => Assert.Equal(w[1], w[2]));
        Assert.Contains("Spread 4/3/3.", script.Lines);
        Assert.Empty(Members(script.Id));
        Assert.Empty(Directory.EnumerateFileSystemEntries(temporary));
    }

    /// <summary>A machine without mosquitto's clients, curl and a way to install them: the script needs nothing but the program.</summary>
    [Fact]
    public async Task Quickstart_MosquittoNeitherThereNorInstallable_ShowsTheDemo()
    {
        using var folder = new TempFolder();
        string temporary = Directory.CreateDirectory(folder["tmp"]).FullName;
        string commands = Directory.CreateDirectory(folder["bin"]).FullName;
        foreach (string name in (string[])["dirname", "mktemp", "rm", "seq", "sleep"])
        {
            string target = ((string[])["/usr/bin", "/bin"]).Select(d => Path.Combine(d, name)).First(File.Exists);
            File.CreateSymbolicLink(Path.Combine(commands, name), target);
        }
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["PATH"] = commands,
            ["ACTORLB"] = ActorLbProcess.Program,
            ["TMPDIR"] = temporary,
        };
        await using var script = ProcessHost.Start("/bin/bash", [RepositoryRoot.File("deploy", "quickstart.sh"), "--once"], environment);
        int code = await script.WaitForExitAsync();
        Assert.True(code == 0, script.Output);
        Assert.Contains(script.Lines, l => l.StartsWith("Missing, and there is no apt-get to install them: ", StringComparison.Ordinal));
        Assert.Contains(script.Lines, l => l.StartsWith("Spread 4/3/3.", StringComparison.Ordinal));
        Assert.Empty(Members(script.Id));
        Assert.Empty(Directory.EnumerateFileSystemEntries(temporary));
    }

    /// <summary>What runs in the process group: the third field behind the name (proc(5), stat).</summary>
    private static string[] Members(int group)
    {
        var found = new List<string>();
        foreach (string folder in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                string stat = File.ReadAllText(Path.Combine(folder, "stat"));
                if (stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[2] == group.ToString(CultureInfo.InvariantCulture)) found.Add(stat);
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return [.. found];
    }
}
