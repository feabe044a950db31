namespace ActorLb.Protocol.Admin;

/// <summary>Exactly one of the first three.</summary>
/// <param name="Address">An address, or a network such as 10.0.0.0/8.</param>
/// <param name="Seconds">How long it holds; null is until it is removed.</param>
public sealed record BanRequest(string? ClientId = null, string? Username = null, string? Address = null, double? Seconds = null, string? Reason = null);

/// <param name="Kind">"client-id", "username" or "address".</param>
/// <param name="By">Who added it, and on which node.</param>
/// <param name="Expires">Null is never.</param>
/// <param name="Left">Seconds until then.</param>
/// <param name="Local">It holds on this node alone, until the fleet confirms it.</param>
public sealed record BanInfo(string Kind, string Subject, string? Reason, string By, DateTimeOffset Added, DateTimeOffset? Expires, double? Left, bool Local);

public sealed record BanPage(BanInfo[] Bans);
