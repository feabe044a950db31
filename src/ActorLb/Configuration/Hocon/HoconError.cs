namespace ActorLb.Configuration.Hocon;

/// <summary>Where something is written; line and column start at 1, columns count Unicode code points.</summary>
internal sealed record SourcePosition(string File, int Line, int Column)
{
    /// <summary>Of what is not in any file.</summary>
    public static readonly SourcePosition None = new("", 0, 0);

    public override string ToString() => $"{File}:{Line}:{Column}";
}

/// <param name="Path">Path of the value concerned; empty at the root.</param>
/// <param name="Reason">Never contains the text of a value, which could be a secret.</param>
internal sealed record HoconError(SourcePosition Position, string Path, string Reason)
{
    public override string ToString() => Path.Length == 0 ? $"{Position}: {Reason}" : $"{Position}: {Path}: {Reason}";
}

/// <summary>Unwinds the reader at its first error; never leaves <see cref="HoconReader"/>.</summary>
internal class HoconException(HoconError error) : Exception(error.ToString())
{
    public HoconException(SourcePosition position, string path, string reason) : this(new HoconError(position, path, reason)) { }

    public HoconError Error { get; } = error;
}

/// <summary>Ends the search for further errors, without being one itself.</summary>
internal sealed class HoconGivenUpException(SourcePosition position, string path) : HoconException(position, path, "");

/// <summary>A limit of <see cref="HoconLimits"/>, or another program's file: reading on would only find more of the same.</summary>
internal sealed class HoconLimitException(SourcePosition position, string path, string reason) : HoconException(position, path, reason);
