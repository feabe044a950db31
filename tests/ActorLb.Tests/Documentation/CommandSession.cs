using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.Tests.Documentation;

/// <summary>
/// Runs the commands of a document one after the other in one shell, as a reader would, and holds their exit codes and what they print against the
/// document. Only addresses and places of files are other ones.
/// </summary>
internal sealed partial class CommandSession : IDisposable
{
    /// <summary>Begins the line behind a command's output: no program prints it.</summary>
    private const char Mark = '\u001e';

    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string> _here = new(StringComparer.Ordinal);

    public string this[string file] => _folder[file];

    /// <summary>The node of commands of <c>pbm</c> that name none.</summary>
    public required string Admin { get; init; }

    public void Write(string file, string text) => _folder.Write(file, text);

    /// <summary>What the document names, and what is there in its place.</summary>
    public void Replace(string shown, string here) => _here.Add(shown, here);

    public async Task RunAsync(IReadOnlyList<ShownCommand> commands)
    {
        var result = await ProcessHost.RunAsync("bash", [_folder.Write("session.sh", Script(commands))], timeout: TimeSpan.FromMinutes(3));
        var problems = new StringBuilder();
        int from = 0;
        for (int i = 0; i < commands.Count; i++)
        {
            int end = result.Lines.ToList().FindIndex(from, l => l is [Mark, ..]);
            Assert.True(end >= 0, $"{commands[i]} ended the shell: {result.Output}");
            string[] output = [.. result.Lines.Take(end).Skip(from)];
            int code = int.Parse(result.Lines[end].AsSpan(1), CultureInfo.InvariantCulture);
            from = end + 1;
            if ((code != 0) != commands[i].Fails) problems.Append(CultureInfo.InvariantCulture, $"\n{commands[i]}\n  ended with {code}:\n{string.Join('\n', output)}\n");
            HashSet<string> shapes = [.. output.Select(Shape)];
            foreach (string missing in commands[i].Output.Where(l => l.Trim() != "" && !IsAmong(l, shapes)))
                problems.Append(CultureInfo.InvariantCulture, $"\n{commands[i]}\n  does not print\n{missing}\n  but\n{string.Join('\n', output)}\n");
        }
        Assert.True(problems.Length == 0, problems.ToString());
    }

    public static bool IsAmong(string shown, IReadOnlySet<string> shapes)
    {
        string shape = Shape(shown);
        return shape == "" || (shape.EndsWith("...", StringComparison.Ordinal) ? shapes.Any(s => s.StartsWith(shape[..^3].TrimEnd(), StringComparison.Ordinal)) : shapes.Contains(shape));
    }

    /// <summary>
    /// A line without what differs from run to run: figures, times, addresses, places of files, the lengths of bars and rules, how many blanks there are, and whether
    /// a backend's first probe has had its answer.
    /// </summary>
    public static string Shape(string line) =>
        Varying().Replace(string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(w => !Bar().IsMatch(w)).Select(w => Figure().IsMatch(w) ? "§" : w == "unknown" ? "up" : w)), "§");

    public void Dispose() => _folder.Dispose();

    private string Script(IEnumerable<ShownCommand> commands)
    {
        var script = new StringBuilder($$"""
            exec 2>&1
            cd '{{_folder.Path}}'
            export NO_COLOR=1 PATH='{{AppContext.BaseDirectory}}:{{Path.GetDirectoryName(ActorLbProcess.Program)}}':$PATH
            unset COLUMNS
            pbm() { case " $* " in *' --host '*) command pbm "$@" ;; *) command pbm --host '{{Admin}}' "$@" ;; esac; }
            set -o pipefail

            """);
        foreach (var command in commands)
        {
            string text = _here.OrderByDescending(h => h.Key.Length).Aggregate(command.Text, (t, h) => t.Replace(h.Key, h.Value, StringComparison.Ordinal));
            script.Append(CultureInfo.InvariantCulture, $"{text}\nprintf '\\n\\036%d\\n' $?\n");
        }
        return script.ToString();
    }

    /// <summary>A word with a figure, a path, or nothing to tell.</summary>
    [GeneratedRegex(@"\d|^/|^-$|^\(no$")]
    private static partial Regex Figure();

    [GeneratedRegex("^(?:#+|█+|─+)$")]
    private static partial Regex Bar();

    [GeneratedRegex("§(?: §)+")]
    private static partial Regex Varying();
}
