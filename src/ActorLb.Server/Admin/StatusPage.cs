using System.Globalization;
using ActorLb.Hosting;

namespace ActorLb.Server.Admin;

/// <summary>The text of NGINX's <c>stub_status</c>, so that tools that read NGINX's can read ours: the trailing spaces belong to
/// it.</summary>
internal static class StatusPage
{
    /// <param name="active">Client connections, including refused ones that are still open.</param>
    /// <param name="requests">CONNECTs (or plain TCP sessions) that were routed.</param>
    /// <param name="reading">Connections whose CONNECT is not complete.</param>
    /// <param name="writing">Connections being connected to a backend, or receiving a refusal.</param>
    /// <param name="waiting">Established sessions.</param>
    public static string Render(long active, long accepts, long handled, long requests, long reading, long writing, long waiting) =>
        string.Create(CultureInfo.InvariantCulture,
            $"Active connections: {active} \nserver accepts handled requests\n {accepts} {handled} {requests} \nReading: {reading} Writing: {writing} Waiting: {waiting} \n");

    public static string Render(Node node)
    {
        long accepts = 0, handled = 0, requests = 0, reading = 0, writing = 0, waiting = 0;
        foreach (var reactor in node.Reactors)
        {
            var c = reactor.Counters;
            accepts += Volatile.Read(ref c.Accepted);
            handled += Volatile.Read(ref c.Handled);
            requests += Volatile.Read(ref c.Requests);
            reading += Volatile.Read(ref c.Reading);
            writing += Volatile.Read(ref c.Connecting) + Volatile.Read(ref c.Lingering);
            waiting += Volatile.Read(ref c.Relaying);
        }
        return Render(reading + writing + waiting, accepts, handled, requests, reading, writing, waiting);
    }
}
