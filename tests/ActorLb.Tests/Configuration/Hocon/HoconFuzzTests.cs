using System.Diagnostics;
using System.Text;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>Random and mutated files: a value or an error value, nothing else, and soon.</summary>
public sealed class HoconFuzzTests
{
    private static readonly string[] Tokens =
    [
        "a", "b", "c", "a.b", "b.c.a", "\"x y\"", "1", "-2.5e+3", "true", "null", "{", "}", "{", "}", "[", "]", ",", "\n", "=", ":", "+=", " ",
        "${a}", "${?b}", "${a.b}", "${?c}", "${?b.c.a}", "#x\n", "//y\n", "\"\"\"t\"\"\"", "include \"none\"", "\\u", "\"", "$", "\r\n", "\ud83d",
        "actorlb", "pools", "listeners", "backends", "tls", "0",
    ];

    [Fact]
    public void RandomTokens_Read_GiveAValueOrAnError()
    {
        int values = 0, errors = 0;
        for (int seed = 0; seed < 10_000; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            for (int i = random.Next(1, 16); i > 0; i--) text.Append(Tokens[random.Next(Tokens.Length)]);
            if (Read(text.ToString(), $"seed {seed}")) values++;
            else errors++;
        }

        Assert.True(values > 100 && errors > 100, $"{values} values and {errors} errors: the generator lost its balance");
    }

    [Fact]
    public void RandomCharacters_Read_GiveAValueOrAnError()
    {
        for (int seed = 0; seed < 5_000; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            for (int i = random.Next(200); i > 0; i--) text.Append((char)random.Next(random.Next(2) == 0 ? 128 : 65536));
            Read(text.ToString(), $"seed {seed}");
        }
    }

    /// <summary>Assignments alone, so that what is exercised is the resolver: cycles, look-backs, mixtures of kinds.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public void RandomSubstitutions_Resolved_GiveAValueOrAnError()
    {
        string[] parts = ["${a}", "${?a}", "${b}", "${?b}", "${?c}", "${a.x}", "${?b.x}", "${?c.x.x}", "[1]", "[${?a}]", "{x:1}", "{x:${?b}}", "s", "2"];
        string[] keys = ["a", "b", "c", "a.x", "b.x", "c.x.x"];
        int values = 0;
        // Each may use up the resolver's steps, which is what takes the time.
        for (int seed = 0; seed < 1_500; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            for (int i = random.Next(1, 12); i > 0; i--)
            {
                text.Append(keys[random.Next(keys.Length)]).Append(random.Next(4) == 0 ? " += " : " = ");
                for (int j = random.Next(1, 3); j > 0; j--) text.Append(parts[random.Next(parts.Length)]).Append(' ');
                text.Append('\n');
            }
            if (Read(text.ToString(), $"seed {seed}")) values++;
        }

        Assert.True(values > 75, $"only {values} of the files resolved");
    }

    [Fact]
    public void MutatedManual_Loaded_GivesOptionsOrErrors()
    {
        using var folder = HoconFolder.Copy("reference.conf", out string text);
        string file = Path.Combine(folder.Directory, "actorlb.conf");
        string manual = string.Join('\n', text.Split('\n').Where(l => !l.TrimStart().StartsWith('#')));
        for (int seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var mutated = new StringBuilder(manual);
            for (int i = random.Next(1, 6); i > 0; i--)
            {
                int at = random.Next(mutated.Length);
                switch (random.Next(4))
                {
                    case 0: mutated.Remove(at, Math.Min(random.Next(1, 20), mutated.Length - at)); break;
                    case 1: mutated.Insert(at, Tokens[random.Next(Tokens.Length)]); break;
                    case 2: mutated[at] = (char)random.Next(32, 127); break;
                    default: mutated.Insert(at, mutated.ToString(at, Math.Min(random.Next(1, 60), mutated.Length - at))); break;
                }
            }
            var result = ConfigurationLoader.LoadText(mutated.ToString(), file, ConfigurationFolder.NoEnvironment);
            Assert.True(result.Options is null != result.Errors.IsEmpty, $"seed {seed}");
        }
    }

    private static bool Read(string text, string name)
    {
        long start = Stopwatch.GetTimestamp();
        var result = HoconReader.ReadText(text, "/nowhere/fuzz.conf", ConfigurationFolder.NoEnvironment);
        // Wide of the mark on purpose: what it would catch takes minutes.
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(2), name);
        Assert.True(result.Root is null != result.Error is null, name);
        if (result.Error is { } error) Assert.True(error.Position.Line > 0 && error.Position.Column > 0, $"{name}: {error}");
        if (result.Root is { } root) _ = HoconText.Json(root);
        return result.Root is not null;
    }
}
