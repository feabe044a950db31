using System.Security.Cryptography;
using System.Text;
using ActorLb.Configuration;

namespace ActorLb.Server.Admin;

/// <summary>The admin endpoint's token, as its file held it at the start or at the latest reload. Any thread.</summary>
internal sealed class AdminToken
{
    private volatile byte[]? _hash;
    private volatile string _name = "";

    /// <summary>Whether a token is required.</summary>
    public bool IsSet => _hash is not null;

    /// <summary>The file's name, which identifies the token in the log.</summary>
    public string Name => _name;

    /// <param name="hash">From <see cref="ReadHash"/>; null requires none.</param>
    /// <param name="file">Its path.</param>
    public void Set(byte[]? hash, string? file)
    {
        _name = Path.GetFileName(file) ?? "";
        _hash = hash;
    }

    /// <summary>In constant time, so that a wrong guess does not reveal how much of it was right.</summary>
    public bool Matches(string given) =>
        _hash is not { } hash || CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), hash);

    /// <summary>The hash of the file's token; null without a file.</summary>
    /// <exception cref="IOException">The file cannot be read, or is empty.</exception>
    public static byte[]? ReadHash(string? file)
    {
        if (file is null) return null;
        string token;
        try
        {
            token = InputFile.ReadText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"admin.token-file {file}: {FileProblem.Describe(e, file)}", e);
        }
        if (token.Length == 0) throw new IOException($"admin.token-file {file}: is empty, which would admit every client");
        return SHA256.HashData(Encoding.UTF8.GetBytes(token));
    }
}
