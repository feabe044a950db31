using System.Net;
using System.Text;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration.Checks;

/// <summary>What the block <c>cluster</c> must also hold when it names seeds.</summary>
internal static class FleetChecks
{
    /// <summary>What 256 bits need, written as bytes.</summary>
    public const int MinSecretBytes = 32;

    public static void Check(Section section, ClusterOptions cluster)
    {
        bool proven = section.Has("secret-file") || cluster.Tls is not null;
        if (!proven && !IPAddress.IsLoopback(cluster.Bind.Address))
        {
            section.Report.Error(
                section.PositionOf("bind"), section.PathOf("bind"), cluster.Bind.ToString(),
                "can be reached from other machines: members must prove who they are, by secret-file or tls");
        }
        if (cluster.SecretFile is { } file && SecretProblem(file) is { } problem)
        {
            section.Error("secret-file", section.Get("secret-file")!, problem);
        }
        if (IsAny(cluster.Bind.Address) && !section.Has("advertise"))
        {
            section.Report.Warn(
                section.PositionOf("bind"), section.PathOf("advertise"), null,
                "is not set and bind names all addresses: members are told this machine's host name");
        }
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string? SecretProblem(string file)
    {
        try
        {
            int bytes = Encoding.UTF8.GetByteCount(InputFile.ReadText(file).Trim());
            return bytes >= MinSecretBytes ? null : $"holds {bytes} bytes; a secret has {MinSecretBytes} or more";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot be read: {FileFailure.Describe(e, file)}";
        }
    }
}
