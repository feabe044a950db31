using System.Net;
using System.Net.Http.Headers;

namespace ActorLb.Testing.Processes;

/// <summary>The balancer as users run it: the built <c>actorlb run -c FILE</c> in a process of its own.</summary>
internal sealed class ActorLbProcess : IAsyncDisposable
{
    private ActorLbProcess(ProcessHost process, IPEndPoint admin, string? token)
    {
        Process = process;
        Admin = new HttpClient { BaseAddress = new Uri($"http://{admin}/") };
        if (token is not null)
            Admin.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>
    /// The program that the environment names by <c>ACTORLB</c>, as <c>tests/run.sh</c> does with the published one; else what the build
    /// puts beside the tests that refer to its project.
    /// </summary>
    public static string Program { get; } =
        Environment.GetEnvironmentVariable("ACTORLB") is { Length: > 0 } named ? named : Path.Combine(AppContext.BaseDirectory, "actorlb");

    public ProcessHost Process { get; }

    /// <summary>The admin endpoint.</summary>
    public HttpClient Admin { get; }

    /// <summary>Starts a node and waits for its <c>/readyz</c>.</summary>
    /// <param name="admin">What the file says under <c>admin.bind</c>.</param>
    /// <param name="token">What the admin endpoint asks for.</param>
    /// <param name="through">A command that runs the program, and the arguments that it takes before the program's.</param>
    /// <exception cref="ProcessEndedException">The node ended instead; the message holds its output.</exception>
    public static async Task<ActorLbProcess> StartAsync(
        string configurationFile, IPEndPoint admin, IReadOnlyDictionary<string, string?>? environment = null, string? token = null,
        IReadOnlyList<string>? through = null)
    {
        string[] command = [.. through ?? [], Program, "run", "-c", configurationFile];
        var node = new ActorLbProcess(ProcessHost.Start(command[0], command[1..], environment), admin, token);
        try
        {
            await node.Process.WaitUntilAsync(node.IsReadyAsync);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs any other command to its end.</summary>
    public static Task<ProcessResult> RunAsync(params IEnumerable<string> arguments) => ProcessHost.RunAsync(Program, arguments);

    public async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await Admin.GetAsync(new Uri("readyz", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Admin.Dispose();
        await Process.DisposeAsync();
    }
}
