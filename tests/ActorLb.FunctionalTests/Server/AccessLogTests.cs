using System.Net.Sockets;
using System.Text.Json;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>What can happen to an access log's file: the log says so, goes on when it can, and counts what nobody will read.</summary>
public sealed class AccessLogTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private string Log => _folder["logs/access.log"];

    public AccessLogTests() => Directory.CreateDirectory(_folder["logs"]);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a directory", "directory", "it is a directory")]
    [InlineData("no folder", "no_folder", "does not exist")]
    [InlineData("a pipe", "no_reader", "it has no reader")]
    [InlineData("a socket", "no_reader", "it is a socket")]
    [InlineData("a link to nowhere", "no_folder", "it is a link to a directory that does not exist")]
    [InlineData("/dev/full", "disk_full", "the disk is full")]
    public async Task File_ReplacedByWhatCannotBeWritten_ThenGood_Heals(string by, string causeWord, string reason)
    {
        var cause = Enum.GetValues<AccessLogCause>().Single(c => AccessLogCounters.Word(c) == causeWord);
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        string text = Text(broker);
        await using var node = await TestNode.StartTextAsync(text);
        await ConnectAsync(node, "before");
        await node.UntilAsync(() => Lines().Contains("before"));

        Directory.Delete(_folder["logs"], recursive: true);
        if (by != "no folder") Directory.CreateDirectory(_folder["logs"]);
        if (by == "a directory") Directory.CreateDirectory(Log);
        if (by == "a pipe") Fifo.Make(Log);
        if (by == "a link to nowhere") File.CreateSymbolicLink(Log, _folder["none/access.log"]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (by == "a socket") socket.Bind(new UnixDomainSocketEndPoint(Log));
        if (by.StartsWith('/')) File.CreateSymbolicLink(Log, by);
        await node.ReloadAsync(text);
        await ConnectAsync(node, "within");
        await node.UntilAsync(() => node.Node.AccessLogCounters.FailuresBy(cause) > 1);
        Assert.True(node.Node.AccessLog!.IsFailing);
        await ConnectAsync(node, "later");
        // Told once, not for each line or attempt.
        string told = Assert.Single(Errors(node));
        Assert.Contains(Log, told, StringComparison.Ordinal);
        Assert.Contains(reason, told, StringComparison.Ordinal);

        if (Directory.Exists(_folder["logs"])) Directory.Delete(_folder["logs"], recursive: true);
        Directory.CreateDirectory(_folder["logs"]);
        await node.UntilAsync(() => Lines().Contains("later") && !node.Node.AccessLog.IsFailing);
        Assert.Equal(["within", "later"], Lines());
        Assert.Equal(0, node.Node.AccessLogCounters.AllLost);
        await node.Log.LineAsync(l => l.Text == $"the access log {Log} can be written again; 0 lines were lost");
    }

    /// <summary>The old file and the new one took turns in being told of, every second.</summary>
    /// <summary>Who rotates logs may end with a reload instead of a signal.</summary>
    [Fact]
    public async Task File_MovedAway_IsMadeAgainByAReload_AndNothingIsLost()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        string text = Text(broker);
        await using var node = await TestNode.StartTextAsync(text);
        await ConnectAsync(node, "before");
        await node.UntilAsync(() => Lines().Contains("before"));
        File.Move(Log, Log + ".1");
        await ConnectAsync(node, "between");
        await node.UntilAsync(() => File.ReadAllText(Log + ".1").Contains("between", StringComparison.Ordinal));

        await node.ReloadAsync(text);
        await ConnectAsync(node, "after");

        await node.UntilAsync(() => File.Exists(Log) && Lines().Contains("after"));
        Assert.Equal(["after"], Lines());
        Assert.Equal(0, node.Node.AccessLogCounters.AllLost);
    }

    [Fact]
    public async Task FullDisk_ReplacedByAPipeWithoutReader_EachIsToldOnce()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        File.CreateSymbolicLink(Log, "/dev/full");
        string text = Text(broker);
        await using var node = await TestNode.StartTextAsync(text);
        var counters = node.Node.AccessLogCounters;
        await ConnectAsync(node, "first");
        await node.UntilAsync(() => counters.FailuresBy(AccessLogCause.DiskFull) > 1);
        File.Delete(Log);
        Fifo.Make(Log);
        await node.ReloadAsync(text);
        await node.UntilAsync(() => counters.FailuresBy(AccessLogCause.NoReader) > 3);
        Assert.Equal(2, Errors(node).Count());
    }

    [Fact]
    public async Task File_Deleted_IsMadeAgain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartTextAsync(Text(broker));
        await ConnectAsync(node, "first");
        await node.UntilAsync(() => Lines().Contains("first"));
        File.Delete(Log);
        // Looked for once a second, when there is something to write.
        int n = 0;
        await node.UntilAsync(() =>
        {
            ConnectAsync(node, $"c{n++}").GetAwaiter().GetResult();
            return File.Exists(Log);
        });
        await ConnectAsync(node, "last");
        await node.UntilAsync(() => Lines().Contains("last"));
    }

    [Theory]
    [InlineData("no reader")]
    [InlineData("silent reader")]
    public async Task Pipe_WithoutReader_HoldsUpNobody_AndTheRestIsCountedAtTheEnd(string reader)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        string fifo = Fifo.Make(Log);
        // Opened for both, a pipe needs nobody else.
        using var silent = reader == "silent reader" ? new FileStream(fifo, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite) : null;
        var node = await TestNode.StartTextAsync(Text(broker));
        var counters = node.Node.AccessLogCounters;
        string id = new('x', 60_000);
        for (int i = 0; i < 4; i++) await ConnectAsync(node, id + i);
        var cause = silent is null ? AccessLogCause.NoReader : AccessLogCause.Blocked;
        await node.UntilAsync(() => counters.FailuresBy(cause) > 0);
        await ConnectAsync(node, "honest");
        await node.DisposeAsync();
        Assert.InRange(counters.LostBy(cause), silent is null ? 5 : 4, 5);
        await node.Log.LineAsync(l => l.Text.StartsWith($"the access log {Log} ends with ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Pipe_WhoseReaderComes_IsWritten()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        Fifo.Make(Log);
        await using var node = await TestNode.StartTextAsync(Text(broker));
        await ConnectAsync(node, "early");
        await using var reading = new FileStream(Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(reading);
        string? line = await reader.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        Assert.Contains("client=\"early\"", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LongIds_ThatWait_AreBoundedInBytes()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        Fifo.Make(Log);
        var node = await TestNode.StartTextAsync(Text(broker));
        string id = new('x', 65_000);
        int connected = 0;
        var counters = node.Node.AccessLogCounters;
        while (counters.AllLost == 0 && connected < 1_000) await ConnectAsync(node, $"{id}{connected++}");
        Assert.InRange(connected, AccessLog.MostBytes / 65_000, (AccessLog.MostBytes / 65_000) + 20);
        await node.DisposeAsync();
        Assert.Equal(connected, counters.AllLost);
    }

    [Theory]
    [InlineData("folder", "it is a directory")]
    [InlineData("none/access.log", "does not exist")]
    public async Task Start_WithAFileThatCannotBe_IsRefused(string name, string reason)
    {
        Directory.CreateDirectory(_folder["folder"]);
        string path = _folder[name];
        var e = await Assert.ThrowsAsync<IOException>(() =>
            TestNode.StartAsync("backends = [\"127.0.0.1:1\"]", more: $"log.access = \"{path}\""));
        Assert.StartsWith($"log.access {path}: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    /// <summary>What stdout is may be a pipe that nobody reads: the node serves, and ends as it should.</summary>
    [Fact]
    public async Task Stdout_ThatNobodyReads_NeitherHoldsUpClients_NorTheEnd()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: "log.access = stdout");
        string fifo = Fifo.Make(files["out"]);
        using var held = new FileStream(fifo, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        await using var node = await files.StartAsync("bash", "-c", $"exec \"$@\" > '{fifo}'", "bash");
        string id = new('x', 60_000);
        for (int i = 0; i < 4; i++) (await files.OpenAsync(id + i)).Dispose();
        await node.Process.WaitForLineAsync("the access log stdout cannot be written: its reader is not reading");
        string metrics = await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Contains("\nactorlb_access_log_failing 1\n", metrics, StringComparison.Ordinal);
        (await files.OpenAsync("honest")).Dispose();
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
    }

    /// <summary>The first version ended with "cannot start" and 1.</summary>
    [Fact]
    public async Task Terminate_WhileTheLogIsADirectory_EndsWithZero()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: $"log.access = \"{files["access.log"]}\"");
        await using var node = await files.StartAsync();
        File.Delete(files["access.log"]);
        Directory.CreateDirectory(files["access.log"]);
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        await node.Process.WaitForLineAsync($"the access log {files["access.log"]} cannot be written: it is a directory");
        (await files.OpenAsync("lost")).Dispose();
        node.Process.Signal(ProcessHost.SigTerm);
        Assert.Equal(0, await node.Process.WaitForExitAsync());
        Assert.DoesNotContain("cannot start", node.Process.Output, StringComparison.Ordinal);
        Assert.Contains("ends with 1 lines that could not be written", node.Process.Output, StringComparison.Ordinal);
    }

    /// <summary>A limit of the file's size stands for a disk that fills up in the midst of a line.</summary>
    [Fact]
    public async Task Disk_ThatFillsUp_IsTold_AndLinesStayWhole()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker), more: $"log {{ access = \"{files["access.log"]}\", format = json }}");
        // The runtime's own double mapping of code is a file too.
        await using var node = await files.StartAsync("bash", "-c", "ulimit -S -f 64; DOTNET_EnableWriteXorExecute=0 exec \"$@\"", "bash");
        string id = new('x', 20_000);
        for (int i = 0; i < 6; i++) (await files.OpenAsync(id + i)).Dispose();
        await node.Process.WaitForLineAsync("the file has reached the maximum size");
        string metrics = await node.Admin.GetStringAsync(new Uri("metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Matches("""actorlb_access_log_failures_total\{cause="disk_full"\} [1-9]""", metrics);

        // Rotation makes room.
        File.Move(files["access.log"], files["access.log.1"]);
        node.Process.Signal(10);
        await node.Process.WaitForLineAsync("can be written again; 1 lines were lost");
        await node.Process.WaitUntilAsync(() => Task.FromResult(File.ReadAllLines(files["access.log"]).Length >= 2));
        string[] rest = await File.ReadAllLinesAsync(files["access.log"], TestContext.Current.CancellationToken);
        Assert.All(rest, line => Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(line).RootElement.ValueKind));
        Assert.Equal(6, rest.Length + (await File.ReadAllLinesAsync(files["access.log.1"], TestContext.Current.CancellationToken)).Length);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task Id_WithEverythingATerminalActsUpon_IsOneHarmlessLine(string format)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartTextAsync(Text(broker, format));
        const string Id = "a\u001b[2J\u009b\u202e\u2028\u200b\udb40\udc41\u0301\" client=\"b\\";
        await ConnectAsync(node, Id);
        await node.UntilAsync(() => File.Exists(Log) && File.ReadAllText(Log).EndsWith('\n'));
        string line = Assert.Single(await File.ReadAllLinesAsync(Log, TestContext.Current.CancellationToken));
        Assert.All(line, c => Assert.InRange(c, ' ', '~'));
        if (format == "json") Assert.Equal(Id, JsonDocument.Parse(line).RootElement.GetProperty("client_id").GetString());
        else Assert.Contains("client=\"a\\u001b[2J\\u009b\\u202e\\u2028\\u200b\\udb40\\udc41\\u0301\\u0022 client=\\u0022b\\u005c\" pool", line, StringComparison.Ordinal);
    }

    private string Text(FakeBroker broker, string format = "text") =>
        TestNode.Text(TestNode.Backends(broker), more: $"log {{ access = \"{Log}\", format = {format} }}");

    private static async Task ConnectAsync(TestNode node, string id)
    {
        (await node.OpenAsync(id)).Dispose();
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }

    private static IEnumerable<string> Errors(TestNode node) =>
        node.Log.Lines.Where(l => l.Level == Microsoft.Extensions.Logging.LogLevel.Error).Select(l => l.Text);

    private string[] Lines() => File.Exists(Log)
        ? [.. File.ReadAllLines(Log).Select(l => l.Split("client=\"")[1].Split('"')[0])]
        : [];
}
