using System.Collections.Immutable;

namespace ActorLb.Configuration;

/// <summary>What a connection knows about itself, under NGINX's names.</summary>
public enum Variable
{
    MqttClientId, MqttUserName, RemoteAddr, RemotePort, ServerAddr, ServerPort,
    SslClientSerial, SslClientSubject, SslClientCommonName, SslClientFingerprint, SslServerName, SslProtocol, SslCipher,
}

/// <summary>A literal (<see cref="Literal"/> not null) or a variable.</summary>
public readonly record struct TemplatePart(string? Literal, Variable Variable);

/// <summary>Text with variables, such as <c>"$ssl_client_s_dn_cn-$remote_addr"</c> or <c>"${remote_addr}x"</c>; <c>$$</c> is a
/// dollar.</summary>
public sealed class Template : IEquatable<Template>
{
    private static readonly (string Name, Variable Variable)[] Names =
    [
        ("mqtt_preread_clientid", Variable.MqttClientId), ("mqtt_preread_username", Variable.MqttUserName),
        ("remote_addr", Variable.RemoteAddr), ("remote_port", Variable.RemotePort),
        ("server_addr", Variable.ServerAddr), ("server_port", Variable.ServerPort),
        ("ssl_client_serial", Variable.SslClientSerial), ("ssl_client_s_dn", Variable.SslClientSubject),
        ("ssl_client_s_dn_cn", Variable.SslClientCommonName), ("ssl_client_fingerprint", Variable.SslClientFingerprint),
        ("ssl_server_name", Variable.SslServerName), ("ssl_protocol", Variable.SslProtocol), ("ssl_cipher", Variable.SslCipher),
    ];

    private Template(string text, ImmutableArray<TemplatePart> parts)
    {
        Text = text;
        Parts = parts;
        VariableCount = parts.Count(p => p.Literal is null);
    }

    /// <summary>As configured.</summary>
    public string Text { get; }

    public ImmutableArray<TemplatePart> Parts { get; }

    public static IEnumerable<string> VariableNames => Names.Select(n => n.Name);

    public int VariableCount { get; }

    /// <summary>Whether it is the same for all clients, or for all that connect to one address or name.</summary>
    public bool IsConstant => Parts.All(p => p.Literal is not null || IsShared(p.Variable));

    /// <summary>Whether only their address distinguishes clients.</summary>
    public bool IsOfAddress => !IsConstant && Parts.All(p => p.Literal is not null || p.Variable == Variable.RemoteAddr || IsShared(p.Variable));

    public bool Uses(Variable variable) => Parts.Any(p => p.Literal is null && p.Variable == variable);

    /// <summary>Whether any variable comes from the TLS session.</summary>
    public bool UsesTls => Parts.Any(p => p.Literal is null && p.Variable >= Variable.SslClientSerial);

    /// <summary>False with a reason when the text names an unknown variable or leaves a brace open.</summary>
    public static bool TryParse(string text, out Template? template, out string? error)
    {
        template = null;
        error = null;
        var parts = ImmutableArray.CreateBuilder<TemplatePart>();
        var literal = new System.Text.StringBuilder();
        for (int i = 0; i < text.Length;)
        {
            if (text[i] != '$') { literal.Append(text[i++]); continue; }
            if (i + 1 < text.Length && text[i + 1] == '$') { literal.Append('$'); i += 2; continue; }
            bool braced = i + 1 < text.Length && text[i + 1] == '{';
            int start = i + (braced ? 2 : 1), end = start;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_')) end++;
            string name = text[start..end];
            if (braced && (end >= text.Length || text[end] != '}')) { error = $"'${{{name}' has no closing brace"; return false; }
            int known = Array.FindIndex(Names, n => n.Name == name);
            if (known < 0) { error = name.Length == 0 ? "'$' must be followed by a variable name ('$$' is a dollar)" : $"unknown variable '${name}'"; return false; }
            if (literal.Length > 0) { parts.Add(new TemplatePart(literal.ToString(), default)); literal.Clear(); }
            parts.Add(new TemplatePart(null, Names[known].Variable));
            i = braced ? end + 1 : end;
        }
        if (literal.Length > 0 || parts.Count == 0) parts.Add(new TemplatePart(literal.ToString(), default));
        template = new Template(text, parts.ToImmutable());
        return true;
    }

    private static bool IsShared(Variable variable) => variable is Variable.ServerAddr or Variable.ServerPort
        or Variable.SslServerName or Variable.SslProtocol or Variable.SslCipher;

    public bool Equals(Template? other) => other is not null && other.Text == Text;

    public override bool Equals(object? obj) => Equals(obj as Template);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;
}
