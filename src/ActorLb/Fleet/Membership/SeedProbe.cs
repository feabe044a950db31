using System.Net;
using System.Net.Sockets;

namespace ActorLb.Fleet.Membership;

/// <summary>Checks whether there may be a fleet to join: whether a seed other than this node accepts connections.</summary>
internal static class SeedProbe
{
    /// <summary>A running seed accepts sooner.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    public static async Task<bool> AnyListensAsync(FleetSettings settings, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        var trying = settings.Seeds.Where(s => !IsSelf(settings, s)).Select(s => ListensAsync(s, limit.Token)).ToList();
        while (trying.Count > 0)
        {
            var ended = await Task.WhenAny(trying).ConfigureAwait(false);
            if (await ended.ConfigureAwait(false)) return true;
            trying.Remove(ended);
        }
        return false;
    }

    /// <summary>
    /// Compares with the bound and advertised address only; another name of this node costs at most a needless wait.
    /// </summary>
    private static bool IsSelf(FleetSettings settings, DnsEndPoint seed) =>
        seed.Equals(settings.Advertise)
        || (seed.Port == settings.Bind.Port && IPAddress.TryParse(seed.Host, out var address) && address.Equals(settings.Bind.Address));

    private static async Task<bool> ListensAsync(DnsEndPoint seed, CancellationToken cancel)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(seed, cancel).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return false;
        }
    }
}
