namespace ActorLb.Protocol.Admin;

/// <summary>Every answer of the admin API that is not what was asked for.</summary>
/// <param name="Error">One of <see cref="AdminErrors"/>, for programs.</param>
/// <param name="Detail">One or more lines for people: what, where, and what is known instead.</param>
public sealed record AdminError(string Error, string Detail);

/// <summary>The words of <see cref="AdminError.Error"/>. Stable: programs compare them.</summary>
public static class AdminErrors
{
    /// <summary>401: the token is missing or wrong.</summary>
    public const string Unauthorized = "unauthorized";

    /// <summary>400: the request cannot be understood.</summary>
    public const string Invalid = "invalid";

    /// <summary>404: nothing has that name.</summary>
    public const string Unknown = "unknown";

    /// <summary>405: the path is right, the method is not.</summary>
    public const string Method = "method";

    /// <summary>409: understood, but the state of things forbids it.</summary>
    public const string Refused = "refused";

    /// <summary>413: the body is larger than the endpoint takes.</summary>
    public const string TooLarge = "too_large";

    /// <summary>500: a fault of the node's own.</summary>
    public const string Internal = "internal";

    /// <summary>503: whoever decides cannot be reached now; the outcome may be unknown.</summary>
    public const string Unavailable = "unavailable";
}
