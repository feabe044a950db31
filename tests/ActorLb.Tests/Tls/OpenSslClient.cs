using System.Diagnostics;
using ActorLb.Testing;

namespace ActorLb.Tests.Tls;

/// <summary>The command <c>openssl s_client</c> as a peer. It ends when the server ends the connection.</summary>
internal static class OpenSslClient
{
    /// <returns>All that it printed, both streams.</returns>
    internal static Task<string> Run(int port, params string[] arguments) => RunTyping(port, null, arguments);

    /// <param name="input">What the person at the terminal types; the input then stays open.</param>
    internal static async Task<string> RunTyping(int port, string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo("openssl")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string? argument in new[] { "s_client", "-connect", $"127.0.0.1:{port}" }.Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input);
                await process.StandardInput.FlushAsync();
            }

            await process.WaitForExitAsync().WaitAsync(Wait.Patience);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        return await output + await errors;
    }
}
