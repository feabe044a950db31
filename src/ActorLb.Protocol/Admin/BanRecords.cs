namespace ActorLb.Protocol.Admin;

/// <summary>Exactly one of the first three must be set.</summary>
/// <param name="Address">An address, or a network such as 10.0.0.0/8.</param>
/// <param name="Seconds">How long the ban lasts; null until it is removed.</param>
public sealed record BanRequest(string? ClientId = null, string? Username = null, string? Address = null, double? Seconds = null, string? Reason = null);

/// <param name="Kind">"client-id", "username" or "address".</param>
/// <param name="By">Who added it, and on which node.</param>
/// <param name="Expires">Null for never.</param>
/// <param name="Left">Seconds until it expires.</param>
/// <param name="Local">The ban applies on this node only, until the fleet confirms it.</param>
public sealed record BanInfo(string Kind, string Subject, string? Reason, string By, DateTimeOffset Added, DateTimeOffset? Expires, double? Left, bool Local);

public sealed record BanPage(BanInfo[] Bans);
