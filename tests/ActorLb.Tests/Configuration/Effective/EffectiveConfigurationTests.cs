using ActorLb.Configuration;
using ActorLb.Configuration.Effective;

namespace ActorLb.Tests.Configuration.Effective;

public sealed class EffectiveConfigurationTests
{
    [Fact]
    public void Render_WithAPassword_MasksIt()
    {
        using var folder = new ConfigurationFolder();
        var options = folder.LoadValid(
            "actorlb { pools.p.backends = [\"h:1\"], listeners.l { bind = \"*:1883\", pool = p, rewrite.password = hunter2 } }");

        string shown = EffectiveConfiguration.Render(options);

        Assert.DoesNotContain("hunter2", shown, StringComparison.Ordinal);
        Assert.Contains("password = \"******\"", shown, StringComparison.Ordinal);
        Assert.Contains("password = \"hunter2\"", EffectiveConfiguration.Render(options, showSecrets: true), StringComparison.Ordinal);
        Assert.Equal("******", folder.LoadValid(shown).Listeners["l"].Rewrite.Password!.Text);
    }

    [Fact]
    public void Render_OfPoolsAndListeners_IsInTheOrderOfTheirNames()
    {
        using var folder = new ConfigurationFolder();
        string text = EffectiveConfiguration.Render(folder.LoadValid("""
            actorlb {
              pools { zz.backends = ["h:1"], "a.b".backends = ["h:1"] }
              listeners { y { bind = "*:1", pool = zz }, x { bind = "*:2", pool = "a.b" } }
            }
            """));

        Assert.True(text.IndexOf("\"a.b\" {", StringComparison.Ordinal) < text.IndexOf("zz {", StringComparison.Ordinal));
        Assert.True(text.IndexOf("\n    x {", StringComparison.Ordinal) < text.IndexOf("\n    y {", StringComparison.Ordinal));
        Assert.Equal(text, EffectiveConfiguration.Render(folder.LoadValid(text)));
    }

    [Fact]
    public void Render_EveryLine_IsIndentedByItsBrackets()
    {
        using var folder = new ConfigurationFolder();
        folder.WriteFiles("c.pem", "k.pem");
        string text = EffectiveConfiguration.Render(folder.LoadValid("""
            actorlb {
              pools.p { backends = ["h:1", "h:2"], source-addresses = ["127.0.0.1"] }
              listeners.l { bind = "*:1", pool = p, tls { certificate = c.pem, key = k.pem, certificates = [{ names = [a], certificate = c.pem, key = k.pem }] } }
              listeners.m { bind = "*:2", pool = p, tls { certificate = c.pem, key = k.pem } }
            }
            """));

        int depth = 0;
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            string bare = line.TrimStart(' ');
            if (bare[0] is '}' or ']') depth--;
            Assert.Equal((2 * depth, line), (line.Length - bare.Length, line));
            if (bare[^1] is '{' or '[') depth++;
        }
        Assert.Equal(0, depth);
        Assert.Contains("        certificates = []\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_OfDifficultTexts_ReadsBack()
    {
        using var folder = new ConfigurationFolder();
        const string Zone = "a \"quoted\" \\ ${x} #c\tü😀";
        var options = folder.LoadValid(
            $"actorlb {{ cluster.zone = {ActorLb.Configuration.Hocon.HoconPath.QuoteText(Zone)}, pools.p.backends = [\"h:1\"], listeners.l {{ bind = 1, pool = p }} }}");

        Assert.Equal(Zone, options.Cluster.Zone);
        Assert.Equal(Zone, folder.LoadValid(EffectiveConfiguration.Render(options)).Cluster.Zone);
    }
}
