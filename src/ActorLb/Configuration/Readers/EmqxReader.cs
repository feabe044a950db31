using System.Collections.Immutable;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>backends</c> of a pool whose brokers EMQX's API lists.</summary>
internal static class EmqxReader
{
    /// <summary>They are asked one after another, so more would only delay an answer.</summary>
    private const int MostApis = 16;

    /// <summary>EMQX waits a minute between announcing an evacuation and disconnecting the first client.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    public static EmqxDiscoveryOptions Read(Section section)
    {
        var emqx = section.Child("emqx");
        var apis = Apis(emqx);
        if (!emqx.Has("key-file") && emqx.Get("api") is not null) emqx.Missing("key-file", "is required: an API key of EMQX");
        int port = section.Integer("port", absent: 1883, min: 1, max: 65535);
        var result = new EmqxDiscoveryOptions(
            apis, emqx.ReadableFile("key-file") ?? "", emqx.ReadableFile("ca"), emqx.Flag("verify", absent: true), emqx.Flag("seed", absent: false), port,
            section.Duration("interval", Interval, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
            BackendReader.ReadSettings(section, new DnsEndPoint("localhost", port)));
        emqx.Gone("does not belong in emqx but next to it: backends { emqx { ... }, port = 1883 }", "port", "interval", "weight", "max-fails", "fail-timeout", "max-connections", "slow-start");
        emqx.Close();
        section.Close();
        return result;
    }

    /// <summary>The map has clients by their ids, and only a sticky pool uses it.</summary>
    public static void CheckSeed(Section pool, PoolOptions options)
    {
        if (options is not { Discovery: EmqxDiscoveryOptions { Seed: true }, Balance: not BalanceKind.Sticky }) return;
        var emqx = pool.Child("backends").Child("emqx");
        emqx.Error("seed", emqx.Get("seed")!, "is only for pools with balance = sticky: no other pool has a map of clients");
    }

    private static ImmutableArray<Uri> Apis(Section section)
    {
        const string expected = "a URL such as http://emqx1:18083";
        if (!section.Has("api"))
        {
            section.Missing("api", $"is required: {expected}, or several of them");
            return [];
        }
        var result = ImmutableArray.CreateBuilder<Uri>();
        foreach ((string path, var scalar) in section.Scalars("api", expected))
        {
            if (Problem(scalar.Text, out var url) is { } problem) section.Report.Error(scalar, path, problem);
            else if (result.Contains(url!)) section.Report.Error(scalar, path, "is listed twice");
            else result.Add(url!);
        }
        var value = section.Get("api")!;
        if (value is HoconArray { Elements.Length: 0 }) section.Error("api", value, $"is empty: {expected} is expected");
        if (result.Count > MostApis) section.Error("api", value, $"has {result.Count} URLs; at most {MostApis} are allowed");
        return result.ToImmutable();
    }

    private static string? Problem(string text, out Uri? url)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0
            || url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            return "is not a URL such as http://emqx1:18083";
        }

        if (url.UserInfo.Length > 0) return "contains credentials: put them into key-file";
        return url.AbsolutePath.TrimEnd('/').EndsWith("/api/v5", StringComparison.Ordinal) ? "ends in /api/v5, which is added automatically: leave it out" : null;
    }
}
