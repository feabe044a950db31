namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>A test in a condition: what is fetched, and the values it may have.</summary>
internal sealed record HAProxyTest(string Fetch, IReadOnlyList<string> Values)
{
    public bool IsMqtt => Fetch.Contains("mqtt_is_valid", StringComparison.Ordinal);

    public bool IsHello => Fetch.StartsWith("req_ssl_hello_type", StringComparison.Ordinal) || Fetch.StartsWith("req.ssl_hello_type", StringComparison.Ordinal);

    public bool IsSource => Fetch == "src";

    public bool IsPath => Fetch is "path" or "path_beg" or "path_dir";

    public bool IsUpgrade => Fetch.Contains("hdr", StringComparison.Ordinal) && Fetch.Contains("pgrade", StringComparison.Ordinal) || Fetch.StartsWith("hdr(connection", StringComparison.OrdinalIgnoreCase) || Fetch.Contains("(Connection", StringComparison.Ordinal);

    /// <summary>The networks that it names; null when one of its values is not a network.</summary>
    public IReadOnlyList<AddressRules.Network>? Networks()
    {
        var result = new List<AddressRules.Network>();
        foreach (string value in Values)
        {
            if (AddressRules.Network.Parse(value) is not { } network) return null;
            result.Add(network);
        }
        return result.Count == 0 ? null : result;
    }
}

/// <summary>One test of a condition, or its negation.</summary>
internal readonly record struct HAProxyTerm(HAProxyTest Test, bool Not);

/// <summary>HAProxy's ACLs and the conditions that use them (its manual, 7.2).</summary>
internal sealed class HAProxyConditions
{
    private readonly Dictionary<string, List<Directive>> _acls = [];

    public void Add(Directive acl)
    {
        if (acl.Words.Count < 2)
        {
            acl.Report("an acl needs a name and a test");
            return;
        }
        if (!_acls.TryGetValue(acl[0], out var lines)) _acls[acl[0]] = lines = [];
        lines.Add(acl);
    }

    /// <summary>The condition after "if" or "unless"; null unless it can be expressed as tests that must all be true.</summary>
    /// <param name="words">All words of the line.</param>
    /// <returns>Empty for a line without a condition.</returns>
    public IReadOnlyList<HAProxyTerm>? Of(IReadOnlyList<Word> words)
    {
        int start = words.ToList().FindIndex(w => w.Text is "if" or "unless");
        if (start < 0) return [];
        bool unless = words[start].Text == "unless";
        string[] rest = [.. words.Skip(start + 1).Select(w => w.Text)];
        var terms = new List<HAProxyTerm>();
        bool any = false, not = false;
        for (int i = 0; i < rest.Length; i++)
        {
            switch (rest[i])
            {
                case "or" or "||":
                    any = true;
                    break;
                case "!":
                    not = !not;
                    break;
                case "{":
                    int end = Array.IndexOf(rest, "}", i);
                    if (end < 0) return null;
                    if (Test(rest[(i + 1)..end]) is not { } test) return null;
                    terms.Add(new HAProxyTerm(test, not));
                    (i, not) = (end, false);
                    break;
                case var name:
                    bool negated = name.StartsWith('!');
                    if (Named(negated ? name[1..] : name) is not { } named) return null;
                    terms.Add(new HAProxyTerm(named, not ^ negated));
                    not = false;
                    break;
            }
        }
        if (any) terms = Joined(terms) is { } joined ? [joined] : [];
        if (terms.Count == 0 || (unless && terms.Count > 1)) return null;
        return unless ? [terms[0] with { Not = !terms[0].Not }] : terms;
    }

    /// <summary>Alternatives for the same fetch become one test with all of their values.</summary>
    private static HAProxyTerm? Joined(List<HAProxyTerm> terms) =>
        terms.Count > 0 && terms.TrueForAll(t => !t.Not && t.Test.Fetch == terms[0].Test.Fetch)
            ? new HAProxyTerm(new HAProxyTest(terms[0].Test.Fetch, [.. terms.SelectMany(t => t.Test.Values)]), false) : null;

    private HAProxyTest? Named(string name)
    {
        if (name == "LOCALHOST") return new HAProxyTest("src", ["127.0.0.0/8", "::1"]);
        if (!_acls.TryGetValue(name, out var lines)) return null;
        var tests = lines.Select(l => Test([.. l.Words.Skip(1).Select(w => w.Text)])).ToList();
        if (tests.Exists(t => t is null || t.Fetch != tests[0]!.Fetch)) return null;
        foreach (var line in lines) line.Carry();
        return new HAProxyTest(tests[0]!.Fetch, [.. tests.SelectMany(t => t!.Values)]);
    }

    private static HAProxyTest? Test(string[] words)
    {
        if (words.Length == 0) return null;
        // A fetch with spaces after its commas arrives as several words.
        string fetch = words[0];
        int next = 1;
        while (fetch.EndsWith(',') && next < words.Length) fetch += words[next++];
        var values = new List<string>();
        for (; next < words.Length; next++)
        {
            if (words[next] == "-f") return null; // The values are in another file.
            if (words[next] is "-i" or "-n" or "--") continue;
            if (words[next] is "-m" or "-M" or "-u")
            {
                next++;
                continue;
            }
            values.Add(words[next]);
        }
        return new HAProxyTest(fetch, values);
    }
}
