using System.Text;
using System.Text.RegularExpressions;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration;

/// <summary>
/// What <c>check</c> says of the files in Wrong, word for word: Wrong/transcript.txt. With ACTORLB_WRITE_TRANSCRIPT set it is written
/// anew, to be read before it is kept.
/// </summary>
public sealed partial class WrongFileTests
{
    private static string Folder { get; } = RepositoryRoot.File("tests", "ActorLb.Tests", "Configuration", "Wrong");

    [Fact]
    public void Check_OfEachWrongFile_SaysWhereWhatAndWhatToWrite()
    {
        string[] files = [.. Directory.GetFiles(Folder, "*.conf").Order(StringComparer.Ordinal)];
        Assert.True(files.Length >= 40);
        using var folder = new TempFolder();
        using var authority = new TestCertificates();
        Fill(folder, authority);
        var transcript = new StringBuilder();
        foreach (string file in files)
        {
            string name = Path.GetFileName(file);
            transcript.Append(Heading(name)).Append(Check(folder, name));
        }

        string pinned = Path.Combine(Folder, "transcript.txt");
        if (Environment.GetEnvironmentVariable("ACTORLB_WRITE_TRANSCRIPT") is { Length: > 0 }) File.WriteAllText(pinned, transcript.ToString());
        Assert.Equal(File.ReadAllText(pinned).Split('\n'), transcript.ToString().Split('\n'));
    }

    [Theory]
    [InlineData("41-what-this-machine-lacks.conf", "DIR/41-what-this-machine-lacks.conf: the configuration is valid (1 listener, 1 pool)\n")]
    [InlineData(
        "42-what-this-machine-lacks-and-an-error.conf",
        "error: DIR/42-what-this-machine-lacks-and-an-error.conf:2:52: actorlb.node.drain-timeout: '1' lacks a unit, such as 1s\n")]
    public void Check_OfAFileForAnotherMachine_SaysNothingOfThisOne(string name, string expected)
    {
        using var folder = new TempFolder();
        using var authority = new TestCertificates();
        Fill(folder, authority);
        Assert.Equal(expected, Check(folder, name, portable: true));
    }

    private static string Heading(string name) => $"== {name}\n";

    private static string Check(TempFolder folder, string name, bool portable = false)
    {
        var told = new StringWriter { NewLine = "\n" };
        int exit = CheckCommand.Check(folder[name], portable, told, told);
        string text = told.ToString();
        Assert.Equal(text.Contains("error: ", StringComparison.Ordinal) ? 1 : 0, exit);
        string path = Path.GetDirectoryName(folder[name])!;
        return Date().Replace(text.Replace(path, "DIR", StringComparison.Ordinal), "DATE");
    }

    /// <summary>The files with what they name: certificates have dates, and are made when they are wanted.</summary>
    private static void Fill(TempFolder folder, TestCertificates authority)
    {
        foreach (string file in Directory.GetFiles(Folder)) folder.Write(Path.GetFileName(file), File.ReadAllText(file));
        TestCertificate server = authority.Server(["a.test"]), expired = authority.Server(["b.test"], notAfter: DateTimeOffset.UtcNow.AddDays(-2));
        folder.Write("server.pem", File.ReadAllText(server.CertificatePath));
        folder.Write("server.key", File.ReadAllText(server.KeyPath));
        folder.Write("expired.pem", File.ReadAllText(expired.CertificatePath));
        folder.Write("expired.key", File.ReadAllText(expired.KeyPath));
        folder.Write("ca.pem", File.ReadAllText(authority.CaPath));
        folder.Write("garbage.pem", "-----BEGIN CERTIFICATE-----\ngarbage\n");
        folder.Write("empty", "\n");
        folder.Write("short", "too short\n");
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?( UTC|Z)?|\d{4}-\d\d-\d\d")]
    private static partial Regex Date();
}
