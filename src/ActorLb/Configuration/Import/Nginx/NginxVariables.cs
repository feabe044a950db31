using System.Text;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>NGINX's variables: which of them ActorLb has, and the file's maps and splits for the others.</summary>
internal sealed class NginxVariables
{
    private readonly Dictionary<string, Directive> _maps = [], _splits = [];

    public void Add(Directive definition)
    {
        if (definition.Words.Count < 2 || definition.Block is null) return;
        (definition.Name == "split_clients" ? _splits : _maps)[definition[1]] = definition;
    }

    /// <summary>The split that sets a variable such as <c>$source</c>.</summary>
    public Directive? Split(string variable) => _splits.GetValueOrDefault(Bare(variable));

    public Directive? Map(string variable) => _maps.GetValueOrDefault(Bare(variable));

    /// <summary>The default value of a map; null without one.</summary>
    public static string? DefaultOf(Directive map) => map.Block?.FirstOrDefault(d => d.Name == "default")?[0];

    /// <summary>Whether a map gives the same value in all cases.</summary>
    public static bool IsConstant(Directive map) =>
        DefaultOf(map) is { } value && map.Block!.TrueForAll(d => d.Name is "hostnames" or "volatile" || (d[0] == value && d.Words.Count == 1)) && !value.Contains('$', StringComparison.Ordinal);

    /// <summary>A text with variables as a template of ActorLb, or the first variable that ActorLb does not have.</summary>
    public (string? Template, string? Unknown) Template(string text, Action<Directive>? use = null)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length;)
        {
            if (text[i] != '$')
            {
                result.Append(text[i++]);
                continue;
            }
            bool braced = i + 1 < text.Length && text[i + 1] == '{';
            int start = i + (braced ? 2 : 1), end = start;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_')) end++;
            string name = text[start..end];
            i = braced && end < text.Length && text[end] == '}' ? end + 1 : end;
            if (Own(name) is { } own)
            {
                bool joined = i < text.Length && (char.IsAsciiLetterOrDigit(text[i]) || text[i] == '_');
                result.Append(joined ? $"${{{own}}}" : $"${own}");
            }
            else if (Map(name) is { } map && IsConstant(map))
            {
                use?.Invoke(map);
                result.Append(DefaultOf(map));
            }
            else
            {
                return (null, name.Length == 0 ? "$" : "$" + name);
            }
        }
        return (result.ToString(), null);
    }

    /// <summary>ActorLb's name of a variable; null if it has none.</summary>
    private static string? Own(string name) => name switch
    {
        "binary_remote_addr" or "proxy_protocol_addr" => "remote_addr",
        "proxy_protocol_port" => "remote_port",
        _ when Configuration.Template.VariableNames.Contains(name) => name,
        _ => null,
    };

    private static string Bare(string variable) => variable.StartsWith("${", StringComparison.Ordinal) ? "$" + variable[2..].TrimEnd('}') : variable.StartsWith('$') ? variable : "$" + variable;
}
