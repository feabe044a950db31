using System.Security.Cryptography;
using ActorLb.Fleet.Membership;
using ActorLb.Testing;
using ActorLb.Tests.Fleet.Membership;

namespace ActorLb.Tests.Admin;

/// <summary>Two nodes in this process that are one fleet, each with its admin endpoint: <c>lb-1</c> and <c>lb-2</c>.</summary>
public sealed class AdminFleet : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly string _prefix = $"127.{RandomNumberGenerator.GetInt32(1, 255)}.{RandomNumberGenerator.GetInt32(1, 255)}.";

    internal AdminNode One { get; private set; } = null!;

    internal AdminNode Two { get; private set; } = null!;

    /// <summary>Further settings of both.</summary>
    public string More { get; set; } = "";

    public async ValueTask InitializeAsync()
    {
        One = await StartAsync(1);
        Two = await StartAsync(2);
        await Wait.UntilAsync(
            () => One.Node.Member!.Host.Standing.Members?.All.Length == 2 && Two.Node.Member!.Host.Standing.Members?.All.Length == 2,
            () => $"{One.Node.Member!.Host.Standing}; {Two.Node.Member!.Host.Standing}");
    }

    /// <summary>Under the same name, with what it has kept.</summary>
    internal async Task<AdminNode> StartAsync(int number, string more = "") => await AdminNode.StartAsync(more: $$"""
        node { name = lb-{{number}}, data-dir = "{{_folder[$"data-{number}"]}}" }
        cluster { bind = "{{_prefix}}{{number}}:7946", seeds = ["{{_prefix}}1:7946", "{{_prefix}}2:7946"], form-after = 2s }
        {{More}}
        {{more}}
        """);

    public async ValueTask DisposeAsync()
    {
        await One.DisposeAsync();
        await Two.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>As if its process had ended.</summary>
    internal async Task EndAsync(AdminNode node)
    {
        await node.DisposeAsync();
        var stage = node.Node.Member!.Host.Standing.Stage;
        Assert.Equal(FleetStage.Stopped, stage);
    }
}
