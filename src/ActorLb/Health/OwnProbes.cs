using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace ActorLb.Health;

/// <summary>
/// The client ids of this node's mqtt probes, to recognise a probe that arrives as a client: a backend then leads back to this node, by a
/// name, another proxy or address translation. The ids of another process differ even if its node has the same name.
/// </summary>
internal sealed class OwnProbes
{
    /// <summary>A probe's CONNECT is short: its length fits in one byte.</summary>
    private const int LongestName = 64;

    /// <summary>Highest offset of a probe's id: after a PROXY header, which may arrive separately, and the start of its CONNECT.</summary>
    public const int FirstBytes = 512;

    private readonly string _prefix;
    private readonly byte[] _prefixUtf8;
    private readonly ConcurrentDictionary<long, string> _arrived = [];
    private long _last;

    /// <param name="mark">Identifies this process; null for a random one.</param>
    public OwnProbes(string nodeName, string? mark = null)
    {
        // A long name keeps its end, where names differ.
        while (Encoding.UTF8.GetByteCount(nodeName) > LongestName) nodeName = nodeName[1..];
        _prefix = $"actorlb-probe-{nodeName}-{mark ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}-";
        _prefixUtf8 = Encoding.UTF8.GetBytes(_prefix);
    }

    /// <summary>An id for one backend's probes: no two backends' probes take over each other's session at a broker.</summary>
    public (long Number, string ClientId) Next()
    {
        long number = Interlocked.Increment(ref _last);
        return (number, $"{_prefix}{number}");
    }

    /// <summary>Any thread, for every CONNECT.</summary>
    public bool Has(ReadOnlySpan<byte> clientId) => clientId.StartsWith(_prefixUtf8);

    /// <summary>Like <see cref="Has"/>, for a client whose protocol is not read: checks its first bytes.</summary>
    /// <returns>The client id within the bytes, or nothing.</returns>
    public ReadOnlySpan<byte> FindIn(ReadOnlySpan<byte> bytes)
    {
        var first = bytes[..Math.Min(bytes.Length, FirstBytes)];
        int at = first.IndexOf(_prefixUtf8);
        if (at < 0) return default;
        int end = at + _prefixUtf8.Length;
        while (end < first.Length && char.IsAsciiDigit((char)first[end])) end++;
        return first[at..end];
    }

    /// <summary>A probe arrived as a client.</summary>
    /// <param name="clientId">One that <see cref="Has"/> recognises.</param>
    public void Arrived(ReadOnlySpan<byte> clientId, string listener)
    {
        var digits = clientId[_prefixUtf8.Length..];
        if (Utf8Parser.TryParse(digits, out long number, out int read) && read == digits.Length && number > 0 && number <= Volatile.Read(ref _last)) _arrived[number] = listener;
    }

    /// <summary>The listener at which a probe arrived since the last call; null when none did.</summary>
    public string? TakeArrival(long number) => _arrived.TryRemove(number, out string? listener) ? listener : null;
}
