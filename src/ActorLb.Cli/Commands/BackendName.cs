using System.CommandLine;

namespace ActorLb.Cli.Commands;

/// <summary>A backend as users write it: HOST:PORT, or POOL/HOST:PORT where several pools have the same one.</summary>
internal readonly record struct BackendName(string? Pool, string Id)
{
    public static Argument<string> Argument() => new("B") { Description = "the backend: HOST:PORT or POOL/HOST:PORT", HelpName = "BACKEND" };

    public static BackendName Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? new BackendName(null, text) : new BackendName(text[..slash], text[(slash + 1)..]);
    }

    /// <exception cref="UsageException">The name is empty.</exception>
    public string Path(string? verb = null)
    {
        if (Id.Length == 0) throw new UsageException("a backend is written HOST:PORT or POOL/HOST:PORT");
        string path = $"backends/{Call.Escape(Id)}{(verb is null ? "" : "/" + verb)}";
        return Pool is null ? path : $"{path}?pool={Call.Escape(Pool)}";
    }
}
