namespace ActorLb.Protocol.Peer;

/// <summary>
/// The first frame of each side: who speaks, which protocol, and a nonce for the proof of the shared secret. The listener's Hello
/// carries its proof over both nonces, the dialler answers with <see cref="PeerProof"/>. With mutual TLS the proofs may be empty.
/// </summary>
/// <param name="Version">Protocol version of the sender, see <see cref="CurrentVersion"/>.</param>
/// <param name="Nonce">16 random bytes, fresh for every connection.</param>
/// <param name="Proof">32 bytes or none.</param>
/// <param name="KeyCheck">A hash of the cluster's hash key: nodes that hash client ids differently must not share a map.</param>
/// <param name="Lane">0 calls, 1 bulk.</param>
public sealed record PeerHello(
    ushort Version, string Cluster, string Node, ulong Incarnation, string Address, byte[] Nonce, byte[] Proof, uint KeyCheck, byte Lane)
{
    /// <summary>Version of the frames described here. Bodies may grow only with a new version.</summary>
    public const ushort CurrentVersion = 1;

    public const int NonceSize = 16;
    public const int ProofSize = 32;
    public const int MaxSize = PeerFrameHeader.Size + 2 + 8 + NonceSize + 1 + ProofSize + 4 + 1 + (3 * 256);

    public int Write(Span<byte> into)
    {
        var w = new BodyWriter(into);
        w.U16(Version);
        w.Text(Cluster);
        w.Text(Node);
        w.U64(Incarnation);
        w.Text(Address);
        w.Bytes(Nonce);
        w.U8((byte)Proof.Length);
        w.Bytes(Proof);
        w.U32(KeyCheck);
        w.U8(Lane);
        return w.Finish(new PeerFrameHeader(PeerFrameType.Hello, 0, 0, 0, 0));
    }

    /// <summary>
    /// Reads a Hello. Of another version only the version is read: <see cref="PeerFrameError.VersionUnknown"/>, with
    /// <paramref name="version"/> set so that the refusal can name both.
    /// </summary>
    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerHello? hello, out ushort version)
    {
        hello = null;
        var r = BodyReader.Of(frame);
        version = r.U16();
        if (r.Error != PeerFrameError.None)
        {
            return r.Error;
        }

        if (version != CurrentVersion)
        {
            return PeerFrameError.VersionUnknown;
        }

        var cluster = r.Text();
        var node = r.Text();
        var incarnation = r.U64();
        var address = r.Text();
        var nonce = r.Bytes(NonceSize).ToArray();
        var proofSize = r.U8();
        if (proofSize is not (0 or ProofSize))
        {
            r.Fail(PeerFrameError.CountTooLarge);
        }

        var proof = r.Bytes(proofSize).ToArray();
        var keyCheck = r.U32();
        var lane = r.U8();
        var error = r.Finish();
        if (error == PeerFrameError.None)
        {
            hello = new PeerHello(version, cluster, node, incarnation, address, nonce, proof, keyCheck, lane);
        }

        return error;
    }
}

/// <summary>The dialler's proof of the shared secret.</summary>
public static class PeerProof
{
    public const int FrameSize = PeerFrameHeader.Size + PeerHello.ProofSize;

    public static int Write(Span<byte> into, ReadOnlySpan<byte> proof)
    {
        var w = new BodyWriter(into);
        w.Bytes(proof[..PeerHello.ProofSize]);
        return w.Finish(new PeerFrameHeader(PeerFrameType.Proof, 0, 0, 0, 0));
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out ReadOnlySpan<byte> proof)
    {
        var r = BodyReader.Of(frame);
        proof = r.Bytes(PeerHello.ProofSize);
        return r.Finish();
    }
}

/// <summary>Why a listener turns a dialler away. Frozen numbers.</summary>
public enum PeerRefusal : byte
{
    Version = 1,
    Cluster = 2,
    Proof = 3,
    HashKey = 4,
    SameName = 5,
    Malformed = 6,
}

/// <summary>The last frame to a dialler that is turned away, with a sentence for its operator.</summary>
public static class PeerRefuse
{
    public const int MaxSize = PeerFrameHeader.Size + 1 + 256;

    public static int Write(Span<byte> into, PeerRefusal refusal, string text)
    {
        var w = new BodyWriter(into);
        w.U8((byte)refusal);
        w.Text(text);
        return w.Finish(new PeerFrameHeader(PeerFrameType.Refuse, 0, 0, 0, 0));
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerRefusal refusal, out string text)
    {
        var r = BodyReader.Of(frame);
        refusal = (PeerRefusal)r.U8();
        text = r.Text(mayBeEmpty: true);
        return r.Finish();
    }
}
