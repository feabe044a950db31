using System.Net;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>The admin endpoint's token, renewed without a restart.</summary>
public sealed class TokenReloadTests
{
    [Fact]
    public async Task Reload_TokenChanged_HoldsAtOnce_ABadOneLeavesTheOld()
    {
        using var files = new NodeFiles();
        string token = files.Add("token", "first\n");
        files.Write("backends = [\"127.0.0.1:1\"]", more: $"admin.token-file = \"{token}\"");
        await using var node = await files.StartAsync();
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized), (await AskAsync(node, "first"), await AskAsync(node, "second")));

        files.Add("token", "second\n");
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await AskAsync(node, "first"), await AskAsync(node, "second")));

        files.Add("token", "\n");
        var rejected = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal(1, rejected.ExitCode);
        Assert.Contains(rejected.Lines, l => l.Contains($"actorlb.admin.token-file: '{token}' is empty", StringComparison.Ordinal));
        await node.Process.WaitForLineAsync($"'{token}' is empty");
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await AskAsync(node, null), await AskAsync(node, "second")));

        // On loopback the token may go.
        files.Write("backends = [\"127.0.0.1:1\"]");
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(node, null));
    }

    [Fact]
    public async Task Reload_TokenTakenAwayWithTheOpenAddress_StaysUntilTheRestartThatMovesTheEndpoint()
    {
        using var files = new NodeFiles();
        string token = files.Add("token", "first\n");
        files.Write("backends = [\"127.0.0.1:1\"]", more: $"admin {{ bind = \"0.0.0.0:{files.Admin.Port}\", token-file = \"{token}\" }}");
        await using var node = await files.StartAsync();
        files.Write("backends = [\"127.0.0.1:1\"]");
        var reload = await NodeFiles.RunAsync("reload", files.Path);
        Assert.Equal(0, reload.ExitCode);
        Assert.Contains("warning: actorlb.admin.token-file takes effect only after a restart", reload.Lines);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await AskAsync(node, null), await AskAsync(node, "first")));
    }

    private static async Task<HttpStatusCode> AskAsync(ActorLbProcess node, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("status", UriKind.Relative));
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        using var answer = await node.Admin.SendAsync(request);
        return answer.StatusCode;
    }
}
