using System.Globalization;

namespace ActorLb.Tls;

/// <summary>Where a moment stands to the time of a <see cref="DatedEntry"/>.</summary>
internal enum DateState { Good, EndsSoon, Ended, NotBegun }

/// <summary>A certificate or revocation list in use, which is good for a time.</summary>
/// <param name="Setting">Certificate, Ca or Crl: the setting that names the file.</param>
/// <param name="Subject">Its distinguished name; of a revocation list its issuer's.</param>
/// <param name="NotAfter">Of a revocation list its next update; <see cref="DateTimeOffset.MaxValue"/> where it names none.</param>
internal sealed record DatedEntry(TlsSetting Setting, string Path, string Subject, DateTimeOffset NotBefore, DateTimeOffset NotAfter)
{
    /// <summary>How long ahead an end is warned of. Revocation lists live from hours to months: from half of their life on.</summary>
    private static readonly TimeSpan WarnAhead = TimeSpan.FromDays(30);

    /// <summary>The file's own certificate, rather than one of the chain behind it.</summary>
    internal bool IsLeaf { get; init; }

    /// <summary>Of an authority: distinguishes it from one with the same name and another key.</summary>
    internal string KeyId { get; init; } = "";

    /// <summary>A revocation list that is used on when its next update is overdue (crl-expired = warn).</summary>
    internal bool IsUsedWhenOver { get; init; }

    private TimeSpan Ahead
    {
        get
        {
            var half = (NotAfter - NotBefore) / 2;
            return Setting == TlsSetting.Crl && half < WarnAhead ? half : WarnAhead;
        }
    }

    /// <summary>Of several lists of one authority, and of an authority's renewed certificate beside its old one, that which counts.</summary>
    internal static IEnumerable<DatedEntry> InForce(IEnumerable<DatedEntry> entries, DateTimeOffset now) => entries
        .GroupBy(e => e.Setting == TlsSetting.Certificate ? (object)e : (e.Setting, e.Path, e.Subject, e.KeyId))
        .Select(same => same.OrderBy(e => e.NotBefore <= now).ThenBy(e => e.NotAfter).Last());

    internal DateState StateAt(DateTimeOffset now) =>
        now < NotBefore ? DateState.NotBegun : now > NotAfter ? DateState.Ended : NotAfter - now <= Ahead ? DateState.EndsSoon : DateState.Good;

    /// <summary>When the state changes next; null when it does not any more.</summary>
    internal DateTimeOffset? NextChange(DateTimeOffset now) => StateAt(now) switch
    {
        DateState.NotBegun => NotBefore,
        DateState.Good when NotAfter == DateTimeOffset.MaxValue => null,
        DateState.Good => NotAfter - Ahead,
        DateState.EndsSoon => NotAfter.AddTicks(1),
        _ => null,
    };

    /// <summary>Whether clients or backends are refused for it.</summary>
    internal bool RefusesAt(DateTimeOffset now) => StateAt(now) is DateState.Ended or DateState.NotBegun && !IsUsedWhenOver;

    /// <summary>What to report of the file, as a predicate of its name; null when all is well.</summary>
    internal string? TextAt(DateTimeOffset now)
    {
        var state = StateAt(now);
        if (state == DateState.Good) return null;
        if (Setting != TlsSetting.Crl)
        {
            string text = state switch
            {
                DateState.NotBegun => $"is not valid before {Text(NotBefore)}",
                DateState.Ended => $"has expired on {Text(NotAfter)}",
                _ => $"expires in {Text(NotAfter - now)}, on {Text(NotAfter)}",
            };
            return IsLeaf ? text : $"holds '{Subject}', which {text}";
        }
        if (state == DateState.EndsSoon) return $"holds the list of '{Subject}', whose next update is due in {Text(NotAfter - now)}, on {Text(NotAfter)}";
        string over = state == DateState.NotBegun ? $"which is not valid before {Text(NotBefore)}" : $"whose next update was due on {Text(NotAfter)}";
        string effect = IsUsedWhenOver ? "later revocations are not known (crl-expired = warn)" : "all clients with its certificates are refused (crl-expired = refuse)";
        return $"holds the list of '{Subject}', {over}: {effect}";
    }

    private static string Text(DateTimeOffset date) => date.ToString("u", CultureInfo.InvariantCulture);

    private static string Text(TimeSpan left) => left switch
    {
        { TotalDays: >= 2 } => $"{(int)left.TotalDays} days",
        { TotalHours: >= 2 } => $"{(int)left.TotalHours} hours",
        _ => $"{(int)left.TotalMinutes} minutes",
    };
}
