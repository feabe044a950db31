using System.Diagnostics;
using System.Globalization;

namespace ActorLb.Testing.Processes;

/// <summary>
/// One small shell for each test process that kills the process groups of the children, and removes the network namespaces that they
/// were in, when the test process is gone, however it went: it reads until its standard input ends, which happens with the death of the writer.
/// </summary>
internal static class ProcessReaper
{
    private const string Script = """
        things=' '
        while read -r verb thing; do
          case $verb in
            add) things="$things$thing " ;;
            del) kept=' '; for t in $things; do [ "$t" = "$thing" ] || kept="$kept$t "; done; things=$kept ;;
          esac
        done
        for t in $things; do case $t in *[!0-9]*) ;; *) kill -s KILL -- "-$t" 2>/dev/null ;; esac; done
        PATH=$PATH:/usr/sbin:/sbin
        for t in $things; do case $t in *[!0-9]*) ip netns del "$t" 2>/dev/null ;; esac; done
        """;

    private static readonly Lock Gate = new();
    private static Process? s_shell;

    public static void Watch(int group) => Tell("add", group.ToString(CultureInfo.InvariantCulture));

    public static void Forget(int group) => Tell("del", group.ToString(CultureInfo.InvariantCulture));

    /// <param name="networkNamespace">A name that is no number.</param>
    public static void Watch(string networkNamespace) => Tell("add", networkNamespace);

    public static void Forget(string networkNamespace) => Tell("del", networkNamespace);

    private static void Tell(string verb, string thing)
    {
        lock (Gate)
        {
            s_shell ??= Start();
            s_shell.StandardInput.WriteLine(verb + " " + thing);
            s_shell.StandardInput.Flush();
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
