using System.Net;
using System.Net.Http.Headers;
using ActorLb.Protocol.Admin;

namespace ActorLb.Tests.Admin;

public sealed class ApiGuardTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("Bearer wrong")]
    [InlineData("Bearer ")]
    [InlineData("Bearer s3cre")]
    [InlineData("Bearer s3cret!")]
    [InlineData("Basic s3cret")]
    public async Task Token_MissingOrWrong_IsRefused(string? header)
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        using var request = new HttpRequestMessage(HttpMethod.Get, "node");
        if (header is not null) request.Headers.TryAddWithoutValidation("Authorization", header);

        var error = await AdminNode.ErrorAsync(HttpStatusCode.Unauthorized, await node.Http.SendAsync(request));

        Assert.Equal(AdminErrors.Unauthorized, error.Error);
    }

    [Fact]
    public async Task Token_Right_OpensTheApi_AndHealthNeedsNone()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        using var health = await node.Http.GetAsync("/healthz");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);

        node.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "s3cret");
        var info = await node.GetAsync("node", AdminJson.Wire.NodeInfo);

        Assert.Equal(("lb-1", "ready", node.Configuration), (info.Name, info.State, info.Configuration));
    }

    [Fact]
    public async Task TokenFile_Empty_KeepsTheNodeFromStarting()
    {
        var e = await Assert.ThrowsAsync<IOException>(() => AdminNode.StartAsync(" "));
        Assert.Contains("token-file", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PageOfAnotherSite_IsRefused_OwnPageIsNot()
    {
        await using var node = await AdminNode.StartAsync();
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "node/drain");
        foreign.Headers.Add("Origin", "http://evil.example");
        var error = await AdminNode.ErrorAsync(HttpStatusCode.Forbidden, await node.Http.SendAsync(foreign));
        Assert.Contains("evil.example", error.Detail, StringComparison.Ordinal);
        Assert.False(node.Node.IsDraining);

        using var own = new HttpRequestMessage(HttpMethod.Get, "node");
        own.Headers.Add("Origin", $"http://{node.Address}");
        using var answer = await node.Http.SendAsync(own);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task HostName_WithoutToken_IsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "node");
        request.Headers.Host = "rebound.example:8888";

        var error = await AdminNode.ErrorAsync(HttpStatusCode.Forbidden, await node.Http.SendAsync(request));

        Assert.Contains("rebound.example", error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "nodes", HttpStatusCode.NotFound, "/api/v1/nodes")]
    [InlineData("GET", "pools/emqx/x", HttpStatusCode.NotFound, "no path")]
    [InlineData("POST", "node", HttpStatusCode.MethodNotAllowed, "GET")]
    [InlineData("DELETE", "backends/a/weight", HttpStatusCode.MethodNotAllowed, "PUT")]
    public async Task PathOrMethod_Unknown_HasTheOneShape(string method, string path, HttpStatusCode status, string detail)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(status, await node.SendAsync(new HttpMethod(method), path));
        Assert.Contains(detail, error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_TooLarge_IsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(
            HttpStatusCode.RequestEntityTooLarge, await node.SendAsync(HttpMethod.Post, "config/check", new string('#', (1 << 20) + 1), asks: true));
        Assert.Equal(AdminErrors.TooLarge, error.Error);
    }
}
