using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing;

/// <summary>
/// Ports for programs that cannot bind port 0 and tell. They come from below the range that the kernel gives to outgoing
/// connections, because a test that opens thousands of those would sooner or later sit on the port of a broker about to start.
/// </summary>
internal static class Ports
{
    private const int Lowest = 10_000;

    // Written by any test thread; a port is handed out once a process.
    private static readonly ConcurrentDictionary<int, bool> Taken = new();

    private static readonly int Above = FirstEphemeral();

    /// <summary>A loopback TCP port that nobody listens on now. Another process may still take it: see <see cref="Attempts"/>.</summary>
    public static int Free()
    {
        for (int tries = 0; tries < 1000; tries++)
        {
            int port = Random.Shared.Next(Lowest, Above);
            if (!Taken.ContainsKey(port) && CanBind(port) && Taken.TryAdd(port, true))
                return port;
        }

        throw new InvalidOperationException($"No free port found between {Lowest} and {Above}.");
    }

    public static IPEndPoint FreeEndPoint() => new(IPAddress.Loopback, Free());

    private static bool CanBind(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static int FirstEphemeral()
    {
        string[] range = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        int first = int.Parse(range[0], CultureInfo.InvariantCulture);
        return first - Lowest >= 1000 ? first : 32_768;
    }
}

/// <summary>Starts something on free ports and tries again with others when it ended at once, as on a port clash.</summary>
internal static class Attempts
{
    public static async Task<T> StartAsync<T>(Func<Task<T>> start)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await start();
            }
            catch (ProcessEndedException e) when (attempt < 4 && e.IsPortClash)
            {
                // Others start brokers on this machine too; a new port is taken at the next attempt.
            }
        }
    }
}
