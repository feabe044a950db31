using System.Security.Cryptography;
using System.Text;
using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>Who a node says it is, and what it must agree on with its peers.</summary>
/// <param name="KeyCheck">See <see cref="PeerHello.KeyCheck"/>.</param>
internal sealed record PeerIdentity(string Cluster, PeerEndpoint Self, uint KeyCheck);

/// <summary>How a handshake ended: with a peer, or with a fault and its reason.</summary>
internal readonly record struct Handshake(PeerHello? Peer, PeerFault Fault, string Reason)
{
    public static Handshake Fail(PeerFault fault, string reason) => new(null, fault, reason);
}

/// <summary>
/// The first frames of a connection. The dialler says Hello; the listener says Hello with its proof; the dialler sends its proof; the
/// listener answers with a second proof, which says that the dialler is accepted. A listener that turns a dialler away says why.
/// </summary>
internal sealed class PeerHandshake(PeerIdentity identity, PeerSecurity security)
{
    /// <summary>Time for the whole of it.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    // A second proof may not be a first one's copy, nor one side's the other's.
    private static ReadOnlySpan<byte> Listener => "actorlb peer listener"u8;

    private static ReadOnlySpan<byte> Dialler => "actorlb peer dialler"u8;

    private static ReadOnlySpan<byte> Accepted => "actorlb peer accepted"u8;

    /// <summary>The dialler's side.</summary>
    public async Task<Handshake> DialAsync(FrameReader reader, Stream output, PeerId wanted, PeerLane lane, CancellationToken cancellationToken)
    {
        var mine = Hello(lane);
        var buffer = new byte[PeerHello.MaxSize];
        await SendAsync(output, buffer.AsMemory(0, mine.Write(buffer)), cancellationToken);
        if (!await NextAsync(reader, cancellationToken))
        {
            return Handshake.Fail(PeerFault.Connection, "closed without a word");
        }

        var failure = ReadListener(reader, wanted, mine, out var theirs, out var proof);
        if (failure is { } first)
        {
            return first;
        }

        await SendAsync(output, buffer.AsMemory(0, PeerProof.Write(buffer, proof)), cancellationToken);
        if (!await NextAsync(reader, cancellationToken))
        {
            return Handshake.Fail(PeerFault.Connection, "closed before it accepted");
        }

        return ReadAccepted(reader, mine, theirs!) ?? new Handshake(theirs, PeerFault.None, "");
    }

    /// <summary>The listener's side. A dialler that is turned away is told why.</summary>
    public async Task<Handshake> AcceptAsync(FrameReader reader, Stream output, CancellationToken cancellationToken)
    {
        if (!await NextAsync(reader, cancellationToken))
        {
            return Handshake.Fail(PeerFault.Garbage, "closed without a word");
        }

        var failure = ReadDialler(reader, out var theirs);
        if (failure is { } first)
        {
            return await RefuseAsync(output, first, cancellationToken);
        }

        var mine = Hello((PeerLane)theirs!.Lane);
        mine = mine with { Proof = security.Proof(Listener, theirs, mine) };
        var buffer = new byte[PeerHello.MaxSize];
        await SendAsync(output, buffer.AsMemory(0, mine.Write(buffer)), cancellationToken);
        if (!await NextAsync(reader, cancellationToken))
        {
            return Handshake.Fail(PeerFault.Connection, $"node {theirs.Node} closed the connection before it proved itself; has it another secret?");
        }

        if (ReadProof(reader, theirs, mine) is { } second)
        {
            return await RefuseAsync(output, second, cancellationToken);
        }

        await SendAsync(output, buffer.AsMemory(0, PeerProof.Write(buffer, security.Proof(Accepted, theirs, mine))), cancellationToken);
        return new Handshake(theirs, PeerFault.None, "");
    }

    private PeerHello Hello(PeerLane lane) => new(
        PeerHello.CurrentVersion, identity.Cluster, identity.Self.Id.Name, identity.Self.Id.Incarnation, identity.Self.Address,
        RandomNumberGenerator.GetBytes(PeerHello.NonceSize), [], identity.KeyCheck, (byte)lane);

    private Handshake? ReadListener(FrameReader reader, PeerId wanted, PeerHello mine, out PeerHello? theirs, out byte[] proof)
    {
        theirs = null;
        proof = [];
        if (!TryNext(reader, out var frame, out var type, out var broken))
        {
            return broken;
        }

        if (type == PeerFrameType.Refuse)
        {
            return Refused(frame);
        }

        if (ReadHello(frame, type, out theirs) is { } failure)
        {
            return failure;
        }

        if (!security.Verify(theirs!.Proof, Listener, mine, theirs))
        {
            return Handshake.Fail(PeerFault.Proof, $"node {theirs.Node} at {theirs.Address} does not have this node's shared secret");
        }

        if (new PeerId(theirs.Node, theirs.Incarnation) != wanted)
        {
            return Handshake.Fail(PeerFault.OtherRun, $"{wanted} is looked for, {new PeerId(theirs.Node, theirs.Incarnation)} answers");
        }

        proof = security.Proof(Dialler, mine, theirs);
        return null;
    }

    private Handshake? ReadDialler(FrameReader reader, out PeerHello? theirs)
    {
        theirs = null;
        if (!TryNext(reader, out var frame, out var type, out var broken))
        {
            return broken;
        }

        if (ReadHello(frame, type, out theirs) is { } failure)
        {
            return failure;
        }

        if (theirs!.Lane > (byte)PeerLane.Bulk)
        {
            return Handshake.Fail(PeerFault.Malformed, $"lane {theirs.Lane} is not known");
        }

        return string.Equals(theirs.Node, identity.Self.Id.Name, StringComparison.Ordinal)
            ? Handshake.Fail(PeerFault.SameName, $"the node at {theirs.Address} calls itself {theirs.Node}, as does the node at {identity.Self.Address}")
            : null;
    }

    private Handshake? ReadProof(FrameReader reader, PeerHello theirs, PeerHello mine)
    {
        if (!TryNext(reader, out var frame, out var type, out var broken))
        {
            return broken;
        }

        if (type != PeerFrameType.Proof || PeerProof.TryRead(frame, out var proof) != PeerFrameError.None)
        {
            return Handshake.Fail(PeerFault.Malformed, $"frame type {type} where the proof was expected");
        }

        return security.Verify(proof, Dialler, theirs, mine)
            ? null
            : Handshake.Fail(PeerFault.Proof, $"node {theirs.Node} at {theirs.Address} does not have this node's shared secret");
    }

    private Handshake? ReadAccepted(FrameReader reader, PeerHello mine, PeerHello theirs)
    {
        if (!TryNext(reader, out var frame, out var type, out var broken))
        {
            return broken;
        }

        if (type == PeerFrameType.Refuse)
        {
            return Refused(frame);
        }

        return type == PeerFrameType.Proof && PeerProof.TryRead(frame, out var proof) == PeerFrameError.None && security.Verify(proof, Accepted, mine, theirs)
            ? null
            : Handshake.Fail(PeerFault.Malformed, $"frame type {type} where the acceptance was expected");
    }

    /// <summary>A Hello that agrees with this node in all that peers must agree on.</summary>
    private Handshake? ReadHello(ReadOnlySpan<byte> frame, PeerFrameType type, out PeerHello? hello)
    {
        hello = null;
        if (type != PeerFrameType.Hello)
        {
            return Handshake.Fail(PeerFault.Malformed, $"frame type {type} where Hello was expected");
        }

        var error = PeerHello.TryRead(frame, out hello, out var version);
        if (error == PeerFrameError.VersionUnknown)
        {
            return Handshake.Fail(PeerFault.Version, $"the peer speaks version {version} of the protocol, this node version {PeerHello.CurrentVersion}");
        }

        if (error != PeerFrameError.None)
        {
            return Handshake.Fail(PeerFault.Malformed, $"Hello: {PeerFrameErrors.Describe(error)}");
        }

        if (!string.Equals(hello!.Cluster, identity.Cluster, StringComparison.Ordinal))
        {
            return Handshake.Fail(
                PeerFault.Cluster, $"node {hello.Node} at {hello.Address} is of cluster \"{hello.Cluster}\", this node of \"{identity.Cluster}\"");
        }

        return hello.KeyCheck == identity.KeyCheck
            ? null
            : Handshake.Fail(PeerFault.HashKey, $"node {hello.Node} at {hello.Address} hashes client ids with another key than this node");
    }

    private static Handshake Refused(ReadOnlySpan<byte> frame)
    {
        var error = PeerRefuse.TryRead(frame, out var refusal, out var text);
        return error == PeerFrameError.None
            ? Handshake.Fail(FaultOf(refusal), $"turned away by the peer: {text}")
            : Handshake.Fail(PeerFault.Malformed, $"Refuse: {PeerFrameErrors.Describe(error)}");
    }

    private static PeerFault FaultOf(PeerRefusal refusal) => refusal switch
    {
        PeerRefusal.Version => PeerFault.Version,
        PeerRefusal.Cluster => PeerFault.Cluster,
        PeerRefusal.Proof => PeerFault.Proof,
        PeerRefusal.HashKey => PeerFault.HashKey,
        PeerRefusal.SameName => PeerFault.SameName,
        _ => PeerFault.Malformed,
    };

    private static async Task<Handshake> RefuseAsync(Stream output, Handshake failure, CancellationToken cancellationToken)
    {
        var refusal = failure.Fault switch
        {
            PeerFault.Version => PeerRefusal.Version,
            PeerFault.Cluster => PeerRefusal.Cluster,
            PeerFault.Proof => PeerRefusal.Proof,
            PeerFault.HashKey => PeerRefusal.HashKey,
            PeerFault.SameName => PeerRefusal.SameName,
            _ => PeerRefusal.Malformed,
        };
        var buffer = new byte[PeerRefuse.MaxSize];
        var text = failure.Reason;
        while (Encoding.UTF8.GetByteCount(text) > byte.MaxValue)
        {
            text = text[..^16];
        }

        await SendAsync(output, buffer.AsMemory(0, PeerRefuse.Write(buffer, refusal, text)), cancellationToken);
        return failure;
    }

    private static bool TryNext(FrameReader reader, out ReadOnlySpan<byte> frame, out PeerFrameType type, out Handshake broken)
    {
        type = default;
        broken = default;
        var error = PeerFrameError.HeaderTooShort;
        if (reader.TryNext(out frame, out error) && (error = PeerFrameHeader.TryRead(frame, out var header)) == PeerFrameError.None)
        {
            type = header.Type;
            return true;
        }

        broken = Handshake.Fail(PeerFault.Malformed, PeerFrameErrors.Describe(error));
        return false;
    }

    /// <summary>Reads until a whole frame is there, or it is known to be none. False when the other side has closed.</summary>
    private static async Task<bool> NextAsync(FrameReader reader, CancellationToken cancellationToken)
    {
        try
        {
            while (!reader.HasFrameOrFault)
            {
                if (!await reader.FillAsync(cancellationToken))
                {
                    return false;
                }
            }

            return true;
        }
        catch (IOException)
        {
            // Reset is closed, too.
            return false;
        }
    }

    private static async Task SendAsync(Stream output, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        await output.WriteAsync(frame, cancellationToken);
        await output.FlushAsync(cancellationToken);
    }
}
