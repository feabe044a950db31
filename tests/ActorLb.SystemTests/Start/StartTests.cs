using System.Net;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Start;

/// <summary>How fast the published program starts, by what decides it and can be counted: times on a loaded machine prove nothing.</summary>
public sealed partial class StartTests
{
    /// <summary>
    /// 1,400 at the time of writing, the request for <c>/readyz</c> included; a slow start has its timers compile some more. Without what keeps the start
    /// short they were 2,082. Each takes about a tenth of a millisecond.
    /// </summary>
    private const int MostMethods = 1_800;

    // Methods over vectors and 128-bit integers, and generic ones over structs of a library, cannot be compiled ahead of time.
    private const int MostOwnMethods = 30;

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
        string[] compiled = [.. File.ReadLines(methods).Where(l => l.Contains(" JIT compiled ", StringComparison.Ordinal) && !Hot().IsMatch(l))];

        Assert.True(compiled.Length is > 100 and <= MostMethods, $"{compiled.Length} methods were compiled:\n{string.Join('\n', compiled)}");
        string[] own = [.. compiled.Where(l => Own().IsMatch(l))];
        Assert.True(own.Length <= MostOwnMethods, $"{own.Length} methods of our own were compiled:\n{string.Join('\n', own)}");
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
