using System.Net;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Start;

/// <summary>How fast the published program starts, by what decides it and can be counted: times on a loaded machine prove nothing.</summary>
public sealed partial class StartTests
{
    /// <summary>1,400 at the time of writing, the request for <c>/readyz</c> included. Each takes about a tenth of a millisecond.</summary>
    private const int MostMethods = 1550;

    // Methods over vectors and 128-bit integers, and generic ones over structs of a library, cannot be compiled ahead of time.
    private const int MostOwnMethods = 15;

    private const int Starts = 3;

    private static string Folder => Path.GetDirectoryName(ActorLbProcess.Program)!;

    /// <summary>What a build puts beside the tests is compiled at run time.</summary>
    private static bool IsPublished => File.Exists(Path.Combine(Folder, "actorlb.dll")) && IsCompiled(Path.Combine(Folder, "actorlb.dll"));

    [Fact]
    public void EveryAssembly_OfThePublishedProgram_IsCompiledAheadOfTime()
    {
        Assert.SkipUnless(IsPublished, "ACTORLB names no published program");
        string[] left = [.. Directory.GetFiles(Folder, "*.dll").Where(f => !IsCompiled(f)).Select(f => Path.GetFileName(f))];
        Assert.Empty(left);
    }

    [Fact]
    public async Task Start_CompilesFewMethods_AndNoneOfOurOwn()
    {
        Assert.SkipUnless(IsPublished, "ACTORLB names no published program");
        // A start that the machine's other load makes slow has its timers compile more: the least of a few is what a start needs.
        string[] least = await CompiledAsync();
        for (int i = 1; i < Starts && !IsWithinBounds(least); i++)
        {
            string[] compiled = await CompiledAsync();
            if (compiled.Length < least.Length) least = compiled;
        }

        Assert.True(least.Length > 100, string.Join('\n', least));
        Assert.True(IsWithinBounds(least), $"{least.Length} methods were compiled, {least.Count(l => Own().IsMatch(l))} of our own:\n{string.Join('\n', least)}");
    }

    private static bool IsWithinBounds(string[] compiled) => compiled.Length <= MostMethods && compiled.Count(l => Own().IsMatch(l)) <= MostOwnMethods;

    /// <summary>What a start compiles until it is ready.</summary>
    private static async Task<string[]> CompiledAsync()
    {
        using var folder = new TempFolder();
        string methods = folder["methods"];
        var admin = Ports.FreeEndPoint();
        string file = folder.Write("actorlb.conf", $$"""
            actorlb {
              node { name = n, data-dir = "{{folder["data"]}}" }
              admin { bind = "{{admin}}" }
              pools.p { balance = sticky, backends = ["127.0.0.1:1"], health { probe = none } }
              listeners.l { bind = "127.0.0.1:0", pool = p }
            }
            """);
        await using var node = await ActorLbProcess.StartAsync(file, admin, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["DOTNET_JitStdOutFile"] = methods,
            ["DOTNET_JitDisasmSummary"] = "1",
        });
        // Methods that are used often are compiled a second time later; those don't count.
        return [.. File.ReadLines(methods).Where(l => l.Contains(" JIT compiled ", StringComparison.Ordinal) && !Hot().IsMatch(l))];
    }

    private static bool IsCompiled(string file)
    {
        using var reader = new PEReader(File.OpenRead(file));
        return reader.PEHeaders.CorHeader is { ManagedNativeHeaderDirectory.Size: > 0 };
    }

    [GeneratedRegex(@"JIT compiled ActorLb\.", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Own();

    [GeneratedRegex(@"\[Tier1|OSR", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Hot();
}
