using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace ActorLb.Health;

/// <summary>
/// The client ids of this node's mqtt probes, by which it knows one that comes in as a client: a backend leads back to the node, through a
/// name, another proxy or the translation of addresses. The ids of another process differ, though its node may have the same name.
/// </summary>
internal sealed class OwnProbes
{
    /// <summary>A CONNECT of a probe is short: its length takes one byte.</summary>
    private const int LongestName = 64;

    /// <summary>Where a probe's id stands at the latest: behind a PROXY header, which may come by itself, and the beginning of its CONNECT.</summary>
    public const int FirstBytes = 512;

    private readonly string _prefix;
    private readonly byte[] _prefixUtf8;
    private readonly ConcurrentDictionary<long, string> _arrived = [];
    private long _last;

    /// <param name="mark">Of this process; null is a random one.</param>
    public OwnProbes(string nodeName, string? mark = null)
    {
        // A long name keeps its end, where names differ.
        while (Encoding.UTF8.GetByteCount(nodeName) > LongestName) nodeName = nodeName[1..];
        _prefix = $"actorlb-probe-{nodeName}-{mark ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}-";
        _prefixUtf8 = Encoding.UTF8.GetBytes(_prefix);
    }

    /// <summary>An id for the probes of one backend: no two take each other's session from a broker.</summary>
    public (long Number, string ClientId) Next()
    {
        long number = Interlocked.Increment(ref _last);
        return (number, $"{_prefix}{number}");
    }

    /// <summary>Any thread, for every CONNECT.</summary>
    public bool Has(ReadOnlySpan<byte> clientId) => clientId.StartsWith(_prefixUtf8);

    /// <summary>As <see cref="Has"/>, of a client that nobody reads: its first bytes.</summary>
    /// <returns>The client id within the bytes, or nothing.</returns>
    public ReadOnlySpan<byte> FindIn(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> first = bytes[..Math.Min(bytes.Length, FirstBytes)];
        int at = first.IndexOf(_prefixUtf8);
        if (at < 0) return default;
        int end = at + _prefixUtf8.Length;
        while (end < first.Length && char.IsAsciiDigit((char)first[end])) end++;
        return first[at..end];
    }

    /// <summary>A probe came in as a client.</summary>
    /// <param name="clientId">One that <see cref="Has"/> knows.</param>
    public void Arrived(ReadOnlySpan<byte> clientId, string listener)
    {
        ReadOnlySpan<byte> digits = clientId[_prefixUtf8.Length..];
        if (Utf8Parser.TryParse(digits, out long number, out int read) && read == digits.Length && number > 0 && number <= Volatile.Read(ref _last)) _arrived[number] = listener;
    }

    /// <summary>The listener by which a probe came in since this was last asked; null when it did not.</summary>
    public string? TakeArrival(long number) => _arrived.TryRemove(number, out string? listener) ? listener : null;
}
