using System.CommandLine;
using System.CommandLine.Parsing;

namespace ActorLb.Cli;

/// <summary>The options of every command that select the node and the connection to it.</summary>
internal sealed class TargetOptions
{
    public static readonly Uri DefaultAddress = new("http://127.0.0.1:8888");

    private readonly Option<Uri> _host = new("--host")
    {
        Description = "admin endpoint of a node, such as 10.0.0.11:8888 or https://lb-1:8888",
        HelpName = "ADDR",
        Recursive = true,
        DefaultValueFactory = _ => DefaultAddress,
        CustomParser = ReadAddress,
    };

    private readonly Option<string?> _token = new("--token-file") { Description = "file with the admin endpoint's token", HelpName = "F", Recursive = true };
    private readonly Option<string?> _ca = new("--ca") { Description = "PEM file of the authorities to trust", HelpName = "F", Recursive = true };
    private readonly Option<bool> _insecure = new("--insecure") { Description = "accept any certificate", Recursive = true };
    private readonly Option<string?> _certificate = new("--cert") { Description = "PEM file of a client certificate", HelpName = "F", Recursive = true };
    private readonly Option<string?> _key = new("--key") { Description = "PEM file of its key, if not in the same file", HelpName = "F", Recursive = true };

    public Option<bool> Json { get; } = new("--json") { Description = "print the node's JSON answer instead of a table", Recursive = true };

    public Option<bool> Watch { get; } = new("--watch") { Description = "repeat the command every second, until Ctrl-C", Recursive = true };

    public void AddTo(Command root)
    {
        root.Add(_host);
        root.Add(_token);
        root.Add(_ca);
        root.Add(_insecure);
        root.Add(_certificate);
        root.Add(_key);
        root.Add(Json);
        root.Add(Watch);
    }

    /// <summary>Names of the options, for completion.</summary>
    public IEnumerable<string> Names => [_host.Name, _token.Name, _ca.Name, _insecure.Name, _certificate.Name, _key.Name, Json.Name, Watch.Name];

    /// <exception cref="UsageException">A given file cannot be used.</exception>
    public AdminClient Connect(ParseResult parsed)
    {
        string? tokenFile = parsed.GetValue(_token);
        if (parsed.GetValue(_key) is not null && parsed.GetValue(_certificate) is null) throw new UsageException("--key needs --cert");
        string? token = tokenFile is null ? null : InputFile.ReadText("--token-file ", tokenFile).Trim();
        if (token is { Length: 0 }) throw new UsageException($"--token-file {tokenFile}: it is empty");
        if (token is not null && token.Any(c => c is < '!' or > '~')) throw new UsageException($"--token-file {tokenFile}: a token must be one line of printable ASCII");
        return new AdminClient(new AdminTarget(
            parsed.GetValue(_host)!, token, parsed.GetValue(_ca), parsed.GetValue(_insecure), parsed.GetValue(_certificate), parsed.GetValue(_key)));
    }

    private static Uri? ReadAddress(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        string full = text.Contains("://", StringComparison.Ordinal) ? text : $"http://{text}";
        if (Uri.TryCreate(full, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.PathAndQuery == "/" && uri.UserInfo.Length == 0)
        {
            // Without a port the default is the admin endpoint's, not the web's.
            return uri.IsDefaultPort && !full.EndsWith($":{uri.Port}", StringComparison.Ordinal) ? new UriBuilder(uri) { Port = DefaultAddress.Port }.Uri : uri;
        }
        result.AddError($"--host: '{text}' is not a HOST, HOST:PORT, http:// or https:// address");
        return null;
    }
}

/// <summary>The command line is invalid.</summary>
internal sealed class UsageException(string message) : Exception(message);
