namespace ActorLb.Protocol.Admin;

/// <summary>The body of every error response of the admin API.</summary>
/// <param name="Error">One of <see cref="AdminErrors"/>, for programs.</param>
/// <param name="Detail">One or more lines for people: what is wrong, where, and which values would be valid.</param>
public sealed record AdminError(string Error, string Detail);

/// <summary>The values of <see cref="AdminError.Error"/>. Stable: programs compare them.</summary>
public static class AdminErrors
{
    /// <summary>401: the token is missing or wrong.</summary>
    public const string Unauthorized = "unauthorized";

    /// <summary>400: the request cannot be understood.</summary>
    public const string Invalid = "invalid";

    /// <summary>404: nothing has this name.</summary>
    public const string Unknown = "unknown";

    /// <summary>405: the path exists, but not with this method.</summary>
    public const string Method = "method";

    /// <summary>409: understood, but not possible in the current state.</summary>
    public const string Refused = "refused";

    /// <summary>413: the body is larger than the endpoint accepts.</summary>
    public const string TooLarge = "too_large";

    /// <summary>500: an internal fault of the node.</summary>
    public const string Internal = "internal";

    /// <summary>503: the node that decides cannot be reached now; the outcome may be unknown.</summary>
    public const string Unavailable = "unavailable";
}
