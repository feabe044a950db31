namespace ActorLb.Operations;

internal enum RefusalKind
{
    /// <summary>Nothing has that name.</summary>
    Unknown,

    /// <summary>The current state doesn't allow it.</summary>
    Refused,

    /// <summary>The node that decides can't be reached at present; the outcome may be unknown.</summary>
    Unavailable,
}

/// <summary>Why an operator's command was not carried out.</summary>
/// <param name="Reason">For display; names what and where.</param>
internal sealed record Refusal(RefusalKind Kind, string Reason);
