using System.Collections.Immutable;
using System.Text;
using ActorLb.Configuration.Effective;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// The fingerprints of all nodes' configurations known to this node. Those of nodes that have left stay until they return.
/// Thread-safe.
/// </summary>
internal sealed class NodeConfigurations(SpreadClock clock)
{
    /// <summary>The longest valid value of a register.</summary>
    private const int LongestValue = 256 * 1024;

    private readonly Lock _gate = new();
    private Registers _registers = Registers.Empty;
    private volatile ImmutableDictionary<string, ConfigurationFingerprint> _known = ImmutableDictionary.Create<string, ConfigurationFingerprint>(StringComparer.Ordinal);

    /// <summary>By node name.</summary>
    public IReadOnlyDictionary<string, ConfigurationFingerprint> Known => _known;

    public void Set(string node, ConfigurationFingerprint fingerprint)
    {
        var text = new StringBuilder(fingerprint.Hash);
        foreach ((string part, string hash) in fingerprint.Parts) text.Append('\n').Append(hash).Append(' ').Append(part);
        lock (_gate)
        {
            _registers = _registers.With(node, new Register(clock.Next(), Encoding.UTF8.GetBytes(text.ToString())));
            _known = _known.SetItem(node, fingerprint);
        }
    }

    public Registers ToRegisters()
    {
        lock (_gate) return _registers;
    }

    /// <summary>Merges what other nodes report, ignoring invalid values.</summary>
    public void Merge(Registers registers)
    {
        lock (_gate)
        {
            _registers = _registers.Merge(registers);
            foreach ((string node, var register) in _registers.Items)
            {
                clock.Saw(register.Stamp);
                if (TryRead(register.Value.Span) is { } fingerprint) _known = _known.SetItem(node, fingerprint);
            }
        }
    }

    private static ConfigurationFingerprint? TryRead(ReadOnlySpan<byte> value)
    {
        if (value.Length > LongestValue) return null;
        string[] lines = Encoding.UTF8.GetString(value).Split('\n');
        var parts = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (string line in lines.Skip(1))
        {
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            if (blank < 0) return null;
            parts[line[(blank + 1)..]] = line[..blank];
        }
        return new ConfigurationFingerprint(lines[0], parts.ToImmutable());
    }
}
