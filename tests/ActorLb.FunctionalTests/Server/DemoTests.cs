using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary><c>actorlb demo</c>, as a newcomer without any broker runs it.</summary>
public sealed partial class DemoTests : IDisposable
{
    private readonly TempFolder _temporary = new();

    private Dictionary<string, string?> Environment => new(StringComparer.Ordinal) { ["TMPDIR"] = _temporary.Path };

    [Theory]
    [InlineData(10, "4/3/3")]
    [InlineData(2, "1/1/0")]
    [InlineData(100, "34/33/33")]
    public async Task Demo_Once_SpreadsTheClientsAndEnds(int clients, string spread)
    {
        var shown = await ProcessHost.RunAsync(ActorLbProcess.Program, ["demo", "--once", "--clients", $"{clients}"], Environment);
        Assert.True(shown.ExitCode == 0, shown.Output);
        Assert.Equal(spread, string.Join('/', Bars(shown.Lines).Select(b => b.Clients).OrderDescending()));
        Assert.All(Bars(shown.Lines), b => Assert.Equal(b.Clients, b.Length));
        Assert.Contains($"Spread {spread}. All disconnected and reconnected in another order: {clients} of {clients} found their broker again.", shown.Lines);
        Assert.DoesNotContain('\u001b', shown.Output); // no terminal: plain text
        Assert.Empty(Directory.EnumerateFileSystemEntries(_temporary.Path));
    }

    [Fact]
    public async Task Demo_OnATerminal_DrawsBars()
    {
        Dictionary<string, string?> environment = new(Environment, StringComparer.Ordinal) { ["TERM"] = "xterm-256color" };
        // script(1) gives it a terminal, and its exit code.
        var shown = await ProcessHost.RunAsync("script", ["-qec", $"'{ActorLbProcess.Program}' demo --once", "/dev/null"], environment);
        Assert.True(shown.ExitCode == 0, shown.Output);
        Assert.Contains("\u001b[", shown.Output, StringComparison.Ordinal);
        Assert.Contains("connecting: 10 of 10 clients", shown.Output, StringComparison.Ordinal);
        int[] bars = [.. shown.Lines.Where(l => l.Contains("127.0.0.1:", StringComparison.Ordinal)).Select(l => l.Count(c => c == '█')).Where(n => n > 0)];
        Assert.Equal(3, bars.Length);
        Assert.True(bars.Max() > bars.Min(), "the longest bar is that of four clients");
    }

    [Theory]
    [InlineData(ProcessHost.SigInt)]
    [InlineData(ProcessHost.SigTerm)]
    public async Task Demo_Interrupted_EndsWhatItStarted(int signal)
    {
        await using var demo = ProcessHost.Start(ActorLbProcess.Program, ["demo"], Environment);
        await demo.WaitForLineAsync("Running until Ctrl-C.");
        using var http = new HttpClient();
        string status = await http.GetStringAsync(Address("status", demo.Lines));
        Assert.StartsWith("Active connections: 10 ", status, StringComparison.Ordinal);
        var front = Address("clients", demo.Lines);

        demo.Signal(signal);
        Assert.Equal(0, await demo.WaitForExitAsync());
        Assert.Equal("Ending.", demo.Lines[^1]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_temporary.Path));
        using var client = new TcpClient();
        await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync(front.Host, front.Port));
    }

    [Fact]
    public async Task Demo_ABackendIsDrained_ItsClientsComeBackElsewhere()
    {
        await using var demo = ProcessHost.Start(ActorLbProcess.Program, ["demo"], Environment);
        await demo.WaitForLineAsync("Running until Ctrl-C.");
        string[] brokers = [.. Bars(demo.Lines).Select(b => b.Broker)];
        using var http = new HttpClient();
        using var answer = await http.PostAsync(
            new Uri(Address("status", demo.Lines), $"/api/v1/backends/{brokers[0]}/drain"), new StringContent("{\"deadline\":1}"));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await demo.WaitForLineAsync(line => Regex.IsMatch(line, $"^  {Regex.Escape(brokers[0])} +0$"));
        foreach (string other in brokers[1..]) await demo.WaitForLineAsync(line => Regex.IsMatch(line, $"^  {Regex.Escape(other)} +5  #####$"));
    }

    [Fact]
    public async Task Demo_PortsInUse_TakesOthersAndSaysSo()
    {
        List<TcpListener> taken = [];
        try
        {
            foreach (int port in (int[])[1883, 1885, 8888])
            {
                var listener = new TcpListener(IPAddress.Any, port);
                try
                {
                    listener.Start();
                    taken.Add(listener);
                }
                catch (SocketException)
                {
                    listener.Dispose(); // somebody else has it, which is as good
                }
            }
            var shown = await ProcessHost.RunAsync(ActorLbProcess.Program, ["demo", "--once"], Environment);
            Assert.True(shown.ExitCode == 0, shown.Output);
            foreach (int port in (int[])[1883, 1885, 8888])
            {
                Assert.Contains(shown.Lines, l => l.EndsWith($"(port {port} is in use)", StringComparison.Ordinal));
                Assert.DoesNotContain(shown.Lines, l => Regex.IsMatch(l, $@"//127\.0\.0\.1:{port}\b"));
            }
        }
        finally
        {
            foreach (var listener in taken) listener.Dispose();
        }
    }

    [Theory]
    [InlineData("--clients must be from 1 to 1000, not 0", "--clients", "0")]
    [InlineData("--clients must be from 1 to 1000, not 1001", "-c", "1001")]
    [InlineData("'many'", "--clients", "many")]
    [InlineData("'fast'", "fast")]
    [InlineData("'--onces'", "--onces")]
    public async Task Demo_WrongArguments_AreUsageErrors(string expected, params string[] arguments)
    {
        var refused = await ActorLbProcess.RunAsync(["demo", .. arguments]);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(expected, refused.Output, StringComparison.Ordinal);
        Assert.Contains("see: actorlb demo --help", refused.Lines);
    }

    [Fact]
    public async Task Demo_NoPlaceForItsFile_SaysWhere()
    {
        Dictionary<string, string?> environment = new(StringComparer.Ordinal) { ["TMPDIR"] = "/proc" };
        var refused = await ProcessHost.RunAsync(ActorLbProcess.Program, ["demo", "--once"], environment);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("actorlb demo: cannot create a directory for the balancer's file in /proc/; set TMPDIR to another one", refused.Lines);
    }

    /// <summary>What only bench and demo need costs a node neither memory nor time.</summary>
    [Fact]
    public async Task Run_LoadsNoMqttLibrary()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("one");
        string maps = await File.ReadAllTextAsync($"/proc/{node.Process.Id}/maps");
        Assert.Contains("actorlb.dll", maps, StringComparison.Ordinal);
        foreach (string library in (string[])["MQTTnet", "HdrHistogram", "Spectre.Console"]) Assert.DoesNotContain(library, maps, StringComparison.Ordinal);
    }

    public void Dispose() => _temporary.Dispose();

    private static (string Broker, int Clients, int Length)[] Bars(IEnumerable<string> lines) =>
        [.. lines.Select(l => Bar().Match(l)).Where(m => m.Success).Select(m =>
            (m.Groups["broker"].Value, int.Parse(m.Groups["count"].Value, CultureInfo.InvariantCulture), m.Groups["bar"].Length))];

    private static Uri Address(string what, IEnumerable<string> lines) =>
        new(lines.Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).First(w => w.Length > 1 && w[0] == what)[1]);

    [GeneratedRegex(@"^  (?<broker>127\.0\.0\.1:\d+) +(?<count>\d+) *(?<bar>#*)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Bar();
}
