using ActorLb.Configuration.Import;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Server;

/// <summary>The command's output, errors and exit codes.</summary>
public sealed class ImportCommandTests : IDisposable
{
    private const string Whole = "stream { server { listen 1883; proxy_pass a.example.net:1883; } }\n";
    private const string Partly = "stream { server { listen 1883; proxy_pass a.example.net:1883;\n proxy_upload_rate 1k; } }\n";

    private readonly TempFolder folder = new();
    private readonly StringWriter output = new() { NewLine = "\n" }, errors = new() { NewLine = "\n" };

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(Whole, false, 0)]
    [InlineData(Whole, true, 0)]
    [InlineData(Partly, false, 0)]
    [InlineData(Partly, true, 1)]
    public void Exit_IsOneOnlyWhenStrictAndToldOf(string text, bool strict, int expected)
    {
        string file = folder.Write("nginx.conf", text);
        Assert.Equal(expected, Import(file, null, strict));
        Assert.StartsWith("# From nginx.conf, by `actorlb import nginx`.", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, CheckCommand.Check(folder.Write("out.conf", output.ToString()), portable: true, TextWriter.Null, errors));
    }

    [Fact]
    public void Told_StandsOnStandardErrorWithItsLineAndASum()
    {
        string file = folder.Write("nginx.conf", Partly);
        Import(file, null, strict: false);
        Assert.Equal(
            $"warning: {file}:2: proxy_upload_rate 1k: the bytes of a client are not limited: EMQX's listeners have rate limits\n"
            + $"{file}: 4 directives carried, 0 not needed, 1 told\n", errors.ToString());
        Assert.Contains("# nginx.conf:2: proxy_upload_rate 1k: the bytes of a client", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_GoesToTheFile()
    {
        string file = folder.Write("nginx.conf", Whole);
        Assert.Equal(0, Import(file, folder["out.conf"], strict: false));
        Assert.Equal("", output.ToString());
        Assert.Contains("a.example.net:1883", File.ReadAllText(folder["out.conf"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_ThatCannotBeWritten_IsToldAndTheInputStays()
    {
        string file = folder.Write("nginx.conf", Whole);
        Assert.Equal(1, Import(file, file, strict: false));
        Assert.Equal(1, Import(file, folder["none/out.conf"], strict: false));
        Assert.Equal(1, Import(file, folder.Path, strict: false));
        Assert.Equal(Whole, File.ReadAllText(file));
        string[] told = [.. errors.ToString().Split('\n').Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.Equal([$"error: {file}: it is the file that is imported", $"error: {folder["none/out.conf"]}: it does not exist", $"error: {folder.Path}: it is a directory"], told.Select(t => t.Replace("the folder around it", "it", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("stream {\n  server {", "2:10: '{' is never closed: the file ends in line 2")]
    [InlineData("global\n  daemon\n", "1:1: this is a file of HAProxy: import it by `actorlb import haproxy FILE`")]
    public void WrongFile_IsOneError(string text, string expected)
    {
        string file = folder.Write("nginx.conf", text);
        Assert.Equal(1, Import(file, null, strict: false));
        Assert.Equal(("", $"error: {file}:{expected}\n"), (output.ToString(), errors.ToString()));
    }

    [Fact]
    public void Fragments_WithoutBrokers_SayWhatIsMissing()
    {
        string file = folder.Write("nginx.conf", "worker_processes 2;\nevents { worker_connections 1024; }\n");
        Assert.Equal(0, Import(file, null, strict: false));
        Assert.Contains("node {\n    workers = 2\n    max-connections = 1024 # 2 workers with 1024 places each, for both sides\n  }", output.ToString(), StringComparison.Ordinal);
        Assert.StartsWith($"warning: {file}: nothing to balance was found: pools and listeners are to be added\n", errors.ToString(), StringComparison.Ordinal);
    }

    private int Import(string file, string? to, bool strict) => ImportCommand.Import(() => Importer.Nginx(file), file, to, strict, output, errors);
}
