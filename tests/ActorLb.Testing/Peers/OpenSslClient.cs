using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.Testing.Peers;

/// <summary>The command <c>openssl s_client</c> as a client of TLS.</summary>
internal sealed class OpenSslClient(ProcessHost process) : IAsyncDisposable
{
    public ProcessHost Process { get; } = process;

    // Line by line, for who waits for a line.
    public static OpenSslClient Start(IPEndPoint server, params IEnumerable<string> arguments) =>
        new(ProcessHost.Start("stdbuf", ["-oL", "openssl", "s_client", "-connect", server.ToString(), .. arguments]));

    /// <summary>Makes a handshake, waits until the line has come, and says good-bye.</summary>
    /// <param name="until">Part of a line after which nothing more is wanted of the server.</param>
    /// <returns>All that was printed.</returns>
    public static async Task<string> TalkAsync(IPEndPoint server, string until, params IEnumerable<string> arguments)
    {
        await using var client = Start(server, arguments);
        await client.Process.WaitForLineAsync(until);
        // "Q" at the beginning of a line ends it with close_notify.
        await client.Process.Input.WriteAsync("Q\n");
        await client.Process.Input.FlushAsync();
        await client.Process.WaitForExitAsync();
        return client.Process.Output;
    }

    /// <summary>For handshakes that are to fail: waits for the end, which the server makes.</summary>
    public static async Task<string> FailAsync(IPEndPoint server, params IEnumerable<string> arguments)
    {
        await using var client = Start(server, arguments);
        await client.Process.WaitForExitAsync();
        return client.Process.Output;
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
