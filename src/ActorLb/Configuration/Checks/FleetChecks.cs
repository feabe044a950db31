using System.Net;
using System.Text;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration.Checks;

/// <summary>What the <c>cluster</c> block must also contain when it names seeds.</summary>
internal static class FleetChecks
{
    /// <summary>256 bits, in bytes.</summary>
    public const int MinSecretBytes = 32;

    public static void Check(Section section, ClusterOptions cluster)
    {
        bool proven = section.Has("secret-file") || cluster.Tls is not null;
        if (!proven && !IPAddress.IsLoopback(cluster.Bind.Address))
        {
            section.Report.Error(
                section.PositionOf("bind"), section.PathOf("bind"), cluster.Bind.ToString(),
                "is reachable from other machines: members must authenticate, by secret-file or tls");
        }
        if (cluster.SecretFile is { } file && SecretProblem(file) is { } problem)
        {
            section.Error("secret-file", section.Get("secret-file")!, problem);
        }
        if (IsAny(cluster.Bind.Address) && !section.Has("advertise"))
        {
            section.Report.Warn(
                section.PositionOf("bind"), section.PathOf("advertise"), null,
                "is not set and bind is a wildcard: members will use this machine's host name");
        }
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string? SecretProblem(string file)
    {
        try
        {
            int bytes = Encoding.UTF8.GetByteCount(InputFile.ReadText(file).Trim());
            return bytes >= MinSecretBytes ? null : $"holds {bytes} bytes; a secret needs at least {MinSecretBytes}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot be read: {FileFailure.Describe(e, file)}";
        }
    }
}
