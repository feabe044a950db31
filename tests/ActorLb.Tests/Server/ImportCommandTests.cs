using ActorLb.Configuration.Import;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Server;

/// <summary>The command's output, errors and exit codes.</summary>
public sealed class ImportCommandTests : IDisposable
{
    private const string Whole = "stream { server { listen 1883; proxy_pass a.example.net:1883; } }\n";
    private const string Partly = "stream { server { listen 1883; proxy_pass a.example.net:1883;\n proxy_upload_rate 1k; } }\n";

    private readonly TempFolder _folder = new();
    private readonly StringWriter _output = new() { NewLine = "\n" }, _errors = new() { NewLine = "\n" };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Whole, false, 0)]
    [InlineData(Whole, true, 0)]
    [InlineData(Partly, false, 0)]
    [InlineData(Partly, true, 1)]
    public void Exit_IsOneOnlyWhenStrictAndToldOf(string text, bool strict, int expected)
    {
        string file = _folder.Write("nginx.conf", text);
        Assert.Equal(expected, Import(file, null, strict));
        Assert.StartsWith("# Converted from nginx.conf by `actorlb import nginx`.", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, CheckCommand.Check(_folder.Write("out.conf", _output.ToString()), portable: true, TextWriter.Null, _errors));
    }

    [Fact]
    public void Told_StandsOnStandardErrorWithItsLineAndASum()
    {
        string file = _folder.Write("nginx.conf", Partly);
        Import(file, null, strict: false);
        Assert.Equal(
            $"warning: {file}:2: proxy_upload_rate 1k: a client's byte rate is not limited: EMQX's listeners have rate limits\n"
            + $"{file}: 4 directives carried, 0 not needed, 1 told\n", _errors.ToString());
        Assert.Contains("# nginx.conf:2: proxy_upload_rate 1k: a client's byte rate is not limited", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_GoesToTheFile()
    {
        string file = _folder.Write("nginx.conf", Whole);
        Assert.Equal(0, Import(file, _folder["out.conf"], strict: false));
        Assert.Equal("", _output.ToString());
        Assert.Contains("a.example.net:1883", File.ReadAllText(_folder["out.conf"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Output_ThatCannotBeWritten_IsToldAndTheInputStays()
    {
        string file = _folder.Write("nginx.conf", Whole);
        Assert.Equal(1, Import(file, file, strict: false));
        Assert.Equal(1, Import(file, _folder["none/out.conf"], strict: false));
        Assert.Equal(1, Import(file, _folder.Path, strict: false));
        Assert.Equal(Whole, File.ReadAllText(file));
        string[] told = [.. _errors.ToString().Split('\n').Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.Equal(
            [
                $"error: {file}: cannot be written: it is the file being imported",
                $"error: {_folder["none/out.conf"]}: cannot be written: its directory does not exist",
                $"error: {_folder.Path}: cannot be written: it is a directory",
            ],
            told);
    }

    [Theory]
    [InlineData("stream {\n  server {", "2:10: '{' is never closed: the file ends in line 2")]
    [InlineData("global\n  daemon\n", "1:1: this is a file of HAProxy: import it with `actorlb import haproxy FILE`")]
    public void WrongFile_IsOneError(string text, string expected)
    {
        string file = _folder.Write("nginx.conf", text);
        Assert.Equal(1, Import(file, null, strict: false));
        Assert.Equal(("", $"error: {file}:{expected}\n"), (_output.ToString(), _errors.ToString()));
    }

    [Fact]
    public void Fragments_WithoutBrokers_SayWhatIsMissing()
    {
        string file = _folder.Write("nginx.conf", "worker_processes 2;\nevents { worker_connections 1024; }\n");
        Assert.Equal(0, Import(file, null, strict: false));
        Assert.Contains("node {\n    workers = 2\n    max-connections = 1024 # 2 workers with 1024 places each, for both sides\n  }", _output.ToString(), StringComparison.Ordinal);
        Assert.StartsWith($"warning: {file}: nothing to balance was found: add pools and listeners\n", _errors.ToString(), StringComparison.Ordinal);
    }

    private int Import(string file, string? to, bool strict) => ImportCommand.Import(() => Importer.Nginx(file), file, to, strict, _output, _errors);
}
