using System.Security.Cryptography;
using System.Text;
using ActorLb.Configuration;

namespace ActorLb.Server.Admin;

/// <summary>The token that the admin endpoint asks for: what its file held at the start or at the newest reload. Any thread.</summary>
internal sealed class AdminToken
{
    private volatile byte[]? _hash;
    private volatile string _name = "";

    /// <summary>Whether a token is asked for at all.</summary>
    public bool IsSet => _hash is not null;

    /// <summary>Its file's name, by which the log tells whose token it was.</summary>
    public string Name => _name;

    /// <param name="hash">Of <see cref="ReadHash"/>; null asks for none.</param>
    /// <param name="file">Where it stands.</param>
    public void Set(byte[]? hash, string? file)
    {
        _name = Path.GetFileName(file) ?? "";
        _hash = hash;
    }

    /// <summary>In constant time: a wrong guess is not to tell how much of it was right.</summary>
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
        if (token.Length == 0) throw new IOException($"admin.token-file {file}: is empty, which would admit everyone");
        return SHA256.HashData(Encoding.UTF8.GetBytes(token));
    }
}
