using System.Diagnostics;
using System.Globalization;

namespace ActorLb.Testing;

/// <summary>
/// One small shell for each test process that kills the process groups of the children when the test process is gone,
/// however it went: it reads until its standard input ends, which happens with the death of the writer.
/// </summary>
internal static class ProcessReaper
{
    private const string Script = """
        groups=' '
        while read -r verb group; do
          case $verb in
            add) groups="$groups$group " ;;
            del) kept=' '; for g in $groups; do [ "$g" = "$group" ] || kept="$kept$g "; done; groups=$kept ;;
          esac
        done
        for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
        """;

    private static readonly Lock Gate = new();
    private static Process? _shell;

    public static void Watch(int group) => Tell("add", group);

    public static void Forget(int group) => Tell("del", group);

    private static void Tell(string verb, int group)
    {
        lock (Gate)
        {
            _shell ??= Start();
            _shell.StandardInput.WriteLine(verb + " " + group.ToString(CultureInfo.InvariantCulture));
            _shell.StandardInput.Flush();
        }
    }

    private static Process Start()
    {
        // A session of its own keeps an interrupt at the terminal from killing the shell before its time.
        var start = new ProcessStartInfo("setsid") { RedirectStandardInput = true, UseShellExecute = false };
        start.ArgumentList.Add("sh");
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(Script);
        return Process.Start(start) ?? throw new InvalidOperationException("setsid did not start.");
    }
}
