namespace ActorLb.Tests.Configuration;

/// <summary>Frames that make a file of one wrong line, and the comparison of all errors.</summary>
internal static class BadConfiguration
{
    private const string AnyPool = "pools.p.backends = [\"h:1\"]\n";
    private const string AnyListener = "listeners.l { bind = \"*:1883\", pool = p }\n";

    /// <summary>The text is on line 2.</summary>
    public static string Whole(string text) => $"actorlb {{\n{text}\n{AnyPool}{AnyListener}}}\n";

    /// <summary>The text is on line 4, after two spaces.</summary>
    public static string Pool(string text) => $"actorlb {{\npools.p {{\n  backends = [\"h:1\"]\n  {text}\n}}\n{AnyListener}}}\n";

    /// <summary>The text is on line 4, after two spaces.</summary>
    public static string Listener(string text) =>
        $"actorlb {{\n{AnyPool}listeners.l {{ bind = \"*:1883\", pool = p\n  {text}\n}}\n}}\n";

    /// <summary>The text is on line 5, after four spaces.</summary>
    public static string Tls(string text) => Listener($"tls {{ certificate = c.pem, key = k.pem\n    {text} }}");

    /// <param name="expected">Lines, without the name of the file; DIR stands for its directory.</param>
    public static void Has(string text, string expected)
    {
        using var folder = new ConfigurationFolder();
        folder.WriteFiles("c.pem", "k.pem", "ca.pem", "secret");
        folder.Write("brief", "content");

        Assert.Equal(expected.Split('\n').Select(e => "actorlb.conf:" + e), folder.Errors(text));
    }
}
