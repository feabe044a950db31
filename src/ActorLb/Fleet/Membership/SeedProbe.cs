using System.Net;
using System.Net.Sockets;

namespace ActorLb.Fleet.Membership;

/// <summary>Whether there may be a fleet to join: a seed other than this node takes connections.</summary>
internal static class SeedProbe
{
    /// <summary>A seed that is there answers sooner.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    public static async Task<bool> AnyListensAsync(FleetSettings settings, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        var trying = settings.Seeds.Where(s => !IsSelf(settings, s)).Select(s => ListensAsync(s, limit.Token)).ToList();
        while (trying.Count > 0)
        {
            Task<bool> ended = await Task.WhenAny(trying).ConfigureAwait(false);
            if (await ended.ConfigureAwait(false)) return true;
            trying.Remove(ended);
        }
        return false;
    }

    /// <summary>By what this node listens on or is told to others as; a name that it has besides costs a needless wait at most.</summary>
    private static bool IsSelf(FleetSettings settings, DnsEndPoint seed) =>
        seed.Equals(settings.Advertise)
        || (seed.Port == settings.Bind.Port && IPAddress.TryParse(seed.Host, out IPAddress? address) && address.Equals(settings.Bind.Address));

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
