using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native;
using Microsoft.Win32.SafeHandles;

namespace ActorLb.Tls;

/// <summary>
/// Finds which files have changed, by time and size as an open descriptor sees them: through symbolic links, on every file system,
/// and whether a file is overwritten, replaced or a directory of them swapped. One thread uses it.
/// </summary>
internal sealed class FileStamps
{
    private readonly Dictionary<string, Stamp> _inForce = new(StringComparer.Ordinal);
    private Dictionary<string, Stamp> _last = new(StringComparer.Ordinal);

    /// <summary>What is in force from now on, as taken before it was read.</summary>
    public FileStamps(ImmutableDictionary<string, Stamp> inForce)
    {
        foreach ((string file, var stamp) in inForce) _inForce[file] = stamp;
    }

    /// <summary>A file's state; <see cref="Missing"/> when it cannot be opened.</summary>
    public sealed record Stamp(long Time, long Size)
    {
        public static readonly Stamp Missing = new(-1, -1);
    }

    public static ImmutableDictionary<string, Stamp> Take(IEnumerable<string> files) => files.ToImmutableDictionary(f => f, Look, StringComparer.Ordinal);

    /// <summary>
    /// The files that are not as they were, once two looks in a row find the same: a certificate and its key are rarely written at
    /// one instant. They count as known from then on, whatever comes of them.
    /// </summary>
    public ImmutableHashSet<string> Changed()
    {
        // A look that takes for ever is left behind, and the next one must not meet it.
        lock (_inForce) return FindChanged();
    }

    private ImmutableHashSet<string> FindChanged()
    {
        var now = _inForce.Keys.ToDictionary(f => f, Look, StringComparer.Ordinal);
        bool settled = _last.Count == now.Count && now.All(n => _last[n.Key] == n.Value);
        _last = now;
        if (!settled) return [];
        var changed = ImmutableHashSet.CreateBuilder<string>(StringComparer.Ordinal);
        foreach ((string file, var stamp) in now)
        {
            if (_inForce[file] == stamp) continue;
            _inForce[file] = stamp;
            changed.Add(file);
        }
        return changed.ToImmutable();
    }

    private static Stamp Look(string file)
    {
        FileReading.Note(file);
        // To open a pipe would wait for its other end.
        if (FileStatus.Of(file) != FileKind.Regular) return Stamp.Missing;
        try
        {
            using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return new Stamp(File.GetLastWriteTimeUtc(handle).Ticks, RandomAccess.GetLength(handle));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return Stamp.Missing;
        }
    }
}
