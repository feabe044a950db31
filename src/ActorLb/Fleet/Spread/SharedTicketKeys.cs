using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Tls;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// The TLS session ticket keys shared by all nodes of a fleet, so that a client can resume through any of them. Encrypted with a
/// key derived from the cluster's secret, if there is one. The first member that finds them old replaces them: the newest key
/// encrypts, the two before still decrypt. Each node measures their age with its own monotonic clock from when it first saw them.
/// Thread-safe.
/// </summary>
internal sealed class SharedTicketKeys(byte[]? secret, TimeProvider time)
{
    public const string Name = "tickets";

    private const int Kept = 3;
    private const int NonceSize = 12, TagSize = 16; // AES-GCM, NIST SP 800-38D, 5.2.1.1

    private static readonly TimeSpan RotateAfter = TimeSpan.FromHours(4);

    private readonly Lock _gate = new();
    private readonly byte[]? _sealingKey = secret is null ? null : HMACSHA256.HashData(secret, "actorlb ticket keys"u8);
    private Register _register;
    private long _seenAt;

    /// <summary>The current keys; empty until the fleet has some.</summary>
    public ImmutableArray<TicketKey> Current { get; private set; } = [];

    /// <summary>Called with new keys, on any thread.</summary>
    public Action<ImmutableArray<TicketKey>>? Changed { get; set; }

    /// <summary>
    /// Adopts the fleet's keys. Keys that can't be read, because they are under another secret, are left alone until they are
    /// replaced.
    /// </summary>
    /// <returns>False if they can't be read.</returns>
    public bool Take(Register register)
    {
        ImmutableArray<TicketKey> keys;
        lock (_gate)
        {
            if (register.Stamp == 0 || register.Equals(_register)) return true;
            _register = register;
            _seenAt = time.GetTimestamp();
            if (Open(register.Value.Span) is not { } bytes)
            {
                Current = [];
                return false;
            }
            Current = keys = TicketKey.Parse(bytes);
        }
        Changed?.Invoke(keys);
        return true;
    }

    /// <summary>New keys to spread if there are none, none readable, or they are old; else null. For members only.</summary>
    public Register? Replacement(SpreadClock clock)
    {
        lock (_gate)
        {
            if (!Current.IsEmpty && time.GetElapsedTime(_seenAt) < RotateAfter) return null;
            byte[] keys = [.. TicketKey.CreateRandom().Bytes, .. Current.Take(Kept - 1).SelectMany(k => k.Bytes.ToArray())];
            return new Register(clock.Next(), Seal(keys));
        }
    }

    private byte[] Seal(byte[] keys)
    {
        if (_sealingKey is null) return keys;
        byte[] result = new byte[NonceSize + keys.Length + TagSize];
        RandomNumberGenerator.Fill(result.AsSpan(0, NonceSize));
        using var gcm = new AesGcm(_sealingKey, TagSize);
        gcm.Encrypt(result.AsSpan(0, NonceSize), keys, result.AsSpan(NonceSize, keys.Length), result.AsSpan(NonceSize + keys.Length));
        return result;
    }

    /// <summary>Null if it was not written by <see cref="Seal"/> under this secret.</summary>
    private byte[]? Open(ReadOnlySpan<byte> stored)
    {
        byte[] keys;
        if (_sealingKey is null)
        {
            keys = stored.ToArray();
        }
        else
        {
            if (stored.Length <= NonceSize + TagSize) return null;
            keys = new byte[stored.Length - NonceSize - TagSize];
            try
            {
                using var gcm = new AesGcm(_sealingKey, TagSize);
                gcm.Decrypt(stored[..NonceSize], stored.Slice(NonceSize, keys.Length), stored[^TagSize..], keys);
            }
            catch (AuthenticationTagMismatchException)
            {
                return null;
            }
        }
        return TicketKey.Parse(keys).IsEmpty ? null : keys;
    }
}
