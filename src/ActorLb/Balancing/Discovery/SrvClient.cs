using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace ActorLb.Balancing.Discovery;

/// <summary>
/// Asks for SRV records, which System.Net.Dns cannot: over UDP, over TCP when truncated, each server twice. The sockets are connected,
/// so that only the server's own packets arrive, and identifiers are random.
/// </summary>
internal sealed class SrvClient(Func<ResolverSettings> settings, TimeProvider time)
{
    private const int Rounds = 2;
    private const int MaxMessage = 65_535;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2);

    /// <summary>A client by /etc/resolv.conf, read anew at each question because it may change.</summary>
    public static SrvClient OfSystem(TimeProvider time) => new(
        () => ResolverSettings.Parse(File.Exists("/etc/resolv.conf") ? File.ReadAllText("/etc/resolv.conf") : ""), time);

    /// <exception cref="IOException">No server answered, or the name has no record; the message tells which.</exception>
    public async Task<IReadOnlyList<SrvRecord>> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        ResolverSettings current = settings();
        foreach (string candidate in current.Candidates(name))
        {
            List<SrvRecord>? records = await AskServersAsync(current, candidate, cancellationToken).ConfigureAwait(false);
            if (records is not null)
            {
                return records;
            }
        }

        throw new IOException($"{name} has no SRV record");
    }

    /// <returns>Null when a server says that there is none.</returns>
    private async Task<List<SrvRecord>?> AskServersAsync(ResolverSettings current, string name, CancellationToken cancellationToken)
    {
        byte[] question;
        try
        {
            question = DnsMessage.Question((ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1), name);
        }
        catch (FormatException e)
        {
            throw new IOException(e.Message, e);
        }

        string problem = "no server";
        for (int round = 0; round < Rounds; round++)
        {
            foreach (IPEndPoint server in current.Servers)
            {
                using CancellationTokenSource timeout = new(AnswerTimeout, time);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
                try
                {
                    List<SrvRecord> records = [];
                    DnsOutcome outcome = await AskAsync(server, question, records, either.Token).ConfigureAwait(false);
                    if (outcome is DnsOutcome.Ok or DnsOutcome.None)
                    {
                        return outcome == DnsOutcome.Ok ? records : null;
                    }

                    problem = $"{server}: {(outcome == DnsOutcome.ServerError ? "refused or failed" : "malformed answer")}";
                }
                catch (Exception e) when (e is SocketException or IOException)
                {
                    problem = $"{server}: {e.Message}";
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    problem = $"{server}: no answer in {AnswerTimeout.TotalSeconds} s";
                }
            }
        }

        throw new IOException($"SRV records of {name} cannot be asked for: {problem}");
    }

    private static async Task<DnsOutcome> AskAsync(
        IPEndPoint server, byte[] question, List<SrvRecord> records, CancellationToken cancellationToken)
    {
        using Socket socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await socket.SendAsync(question, cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[MaxMessage];
        while (true)
        {
            int length = await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            records.Clear();
            DnsOutcome outcome = DnsMessage.Answer(buffer.AsSpan(0, length), question, records);
            if (outcome == DnsOutcome.Truncated)
            {
                records.Clear();
                return await AskOverTcpAsync(server, question, records, cancellationToken).ConfigureAwait(false);
            }

            // Something else than the answer may be forged: wait on, within the time-out.
            if (outcome != DnsOutcome.Invalid)
            {
                return outcome;
            }
        }
    }

    /// <summary>Each message after its length in two bytes, RFC 1035 section 4.2.2.</summary>
    private static async Task<DnsOutcome> AskOverTcpAsync(
        IPEndPoint server, byte[] question, List<SrvRecord> records, CancellationToken cancellationToken)
    {
        using Socket socket = new(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        NetworkStream stream = new(socket, ownsSocket: false);
        await using (stream.ConfigureAwait(false))
        {
            byte[] framed = [(byte)(question.Length >> 8), (byte)question.Length, .. question];
            await stream.WriteAsync(framed, cancellationToken).ConfigureAwait(false);
            byte[] prefix = new byte[2];
            await stream.ReadExactlyAsync(prefix, cancellationToken).ConfigureAwait(false);
            byte[] answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
            await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
            DnsOutcome outcome = DnsMessage.Answer(answer, question, records);
            return outcome == DnsOutcome.Truncated ? DnsOutcome.Invalid : outcome;
        }
    }
}
