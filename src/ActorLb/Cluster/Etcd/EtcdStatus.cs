using System.Net;

namespace ActorLb.Cluster.Etcd;

/// <summary>Turns what the gateway answers into <see cref="EtcdError"/>. Pure: status and text in, verdict out.</summary>
internal static class EtcdStatus
{
    // gRPC status codes (google.golang.org/grpc/codes), which the gateway passes on in its "code" field.
    private const int Unknown = 2;
    private const int InvalidArgument = 3;
    private const int DeadlineExceeded = 4;
    private const int NotFound = 5;
    private const int PermissionDenied = 7;
    private const int OutOfRange = 11;
    private const int Unavailable = 14;
    private const int Unauthenticated = 16;

    public const string AuthNotEnabled = "etcdserver: authentication is not enabled";

    /// <summary>The token was refused: log in again and repeat the call, which was not carried out.</summary>
    public static bool IsTokenRefused(int code, string message) =>
        code == Unauthenticated || (code == InvalidArgument && message.Contains("revision of auth store is old", StringComparison.Ordinal));

    /// <param name="write">The call changes something, so an answer that leaves its fate open is OutcomeUnknown.</param>
    public static EtcdError Classify(int code, string message, bool write)
    {
        switch (code)
        {
            case InvalidArgument when IsAboutUsers(message):
            case PermissionDenied:
            case Unauthenticated:
                return EtcdError.AuthFailed;
            case NotFound when message.Contains("lease not found", StringComparison.Ordinal):
                return EtcdError.LeaseNotFound;
            case OutOfRange when message.Contains("compacted", StringComparison.Ordinal):
            case OutOfRange when message.Contains("future revision", StringComparison.Ordinal):
                return EtcdError.Compacted;
            case Unavailable when IsNeverProposed(message):
                return EtcdError.Unavailable;
            case Unavailable or DeadlineExceeded or Unknown:
                return write ? EtcdError.OutcomeUnknown : EtcdError.Unavailable;
            default:
                return EtcdError.Rejected;
        }
    }

    /// <summary>An answer without a gateway body: a proxy, or something that is no etcd.</summary>
    public static EtcdError Classify(HttpStatusCode status, bool write) => (int)status switch
    {
        401 or 403 => EtcdError.AuthFailed,
        >= 500 => write ? EtcdError.OutcomeUnknown : EtcdError.Unavailable,
        _ => EtcdError.Protocol,
    };

    // rpctypes/error.go: the user name is empty, the password is wrong, the user or role is unknown.
    private static bool IsAboutUsers(string message) =>
        message.Contains("user name", StringComparison.Ordinal) || message.Contains("authentication failed", StringComparison.Ordinal);

    // The member said no before it proposed anything to the others.
    private static bool IsNeverProposed(string message) =>
        message is "etcdserver: no leader" or "etcdserver: server stopped" or "etcdserver: not capable";
}
