using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ActorLb.Cluster;

namespace ActorLb.Fleet;

/// <summary>The 16 bytes under which all nodes of a cluster hash client ids.</summary>
internal static class HashKeys
{
    public const int Size = 16;

    /// <summary>From the peers' shared secret: nothing has to be exchanged.</summary>
    public static byte[] FromSecret(ReadOnlySpan<byte> secret, string cluster) =>
        HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes("actorlb client id hash of " + cluster))[..Size];

    /// <summary>
    /// From the store, where the first node puts random bytes: for clusters whose peers know each other by certificates alone. Waits
    /// for the store, because a node that hashes otherwise could not take part.
    /// </summary>
    public static async Task<byte[]> FromStoreAsync(IClusterStore store, TimeProvider time, CancellationToken cancellation)
    {
        while (true)
        {
            var range = await store.RangeAsync(StoreKeys.HashKey, cancellation).ConfigureAwait(false);
            if (range.IsOk && range.Value.Entries.FirstOrDefault(e => e.Key == StoreKeys.HashKey) is { Value.Length: Size } entry)
            {
                return entry.Value.ToArray();
            }

            if (range.IsOk)
            {
                var put = StoreWrite.Put(StoreKeys.HashKey, RandomNumberGenerator.GetBytes(Size));
                var commit = await store.CommitAsync(
                    new StoreTransaction([StoreCompare.Absent(StoreKeys.HashKey)], [put]), cancellation).ConfigureAwait(false);
                if (commit.IsOk)
                {
                    continue;
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Tells two keys apart without giving them away: for the peers' Hello.</summary>
    public static uint Check(ReadOnlySpan<byte> key) => BinaryPrimitives.ReadUInt32LittleEndian(SHA256.HashData(key));
}
