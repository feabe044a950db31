using System.Collections.Immutable;
using System.IO.Pipes;
using System.Net;
using ActorLb.Hosting;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>The process that this one replaces, as seen from this one.</summary>
internal sealed class Predecessor : IAsyncDisposable
{
    /// <summary>The environment variable that names the two pipes to a process that is to take over.</summary>
    public const string Variable = "ACTORLB_TAKE_OVER";

    private readonly UpgradeChannel _channel;

    private Predecessor(UpgradeChannel channel) => _channel = channel;

    /// <summary>Its first message.</summary>
    public required UpgradeOffer Offer { get; init; }

    /// <summary>Null when this process was started normally.</summary>
    /// <exception cref="IOException">It is to take over, but the other process's messages cannot be understood.</exception>
    public static async Task<Predecessor?> FindAsync(CancellationToken cancel)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } pipes) return null;
        // Child processes must not believe that they are to take over.
        Environment.SetEnvironmentVariable(Variable, null);
        if (pipes.Split(' ') is not [var from, var to]) throw new IOException($"{Variable} does not name pipes: it is for the program's own use");
        AnonymousPipeClientStream input, output;
        try
        {
            input = new AnonymousPipeClientStream(PipeDirection.In, from);
            output = new AnonymousPipeClientStream(PipeDirection.Out, to);
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            throw new IOException($"{Variable} does not name pipes: it is for the program's own use", e);
        }
        foreach (var pipe in (AnonymousPipeClientStream[])[input, output])
        {
            LentDescriptors.Keep((int)pipe.SafePipeHandle.DangerousGetHandle());
        }
        var channel = new UpgradeChannel(input, output);
        var offer = await channel.ReceiveAsync(UpgradeJson.Default.UpgradeOffer, cancel);
        if (offer.Version != UpgradeOffer.CurrentVersion)
        {
            string reason = $"version {Program.Version} uses another hand-over protocol ({UpgradeOffer.CurrentVersion}, not {offer.Version}): stop the node and start the new version";
            await channel.SendAsync(new UpgradeStep(UpgradeStep.Prepared, reason), UpgradeJson.Default.UpgradeStep, cancel);
            throw new IOException(reason);
        }
        if (offer.PidDescriptor >= 0) LentDescriptors.Keep(offer.PidDescriptor);
        return new Predecessor(channel) { Offer = offer };
    }

    public Task SayAsync(string step, string? failure, CancellationToken cancel) =>
        _channel.SendAsync(new UpgradeStep(step, failure), UpgradeJson.Default.UpgradeStep, cancel);

    /// <summary>Reports that this process serves. The other one may have been killed since it handed over: this one serves all the same.</summary>
    public async Task SayServingAsync(CancellationToken cancel)
    {
        try
        {
            await SayAsync(UpgradeStep.Serving, null, cancel);
        }
        catch (IOException)
        {
            // It has accepted no clients since its last message, and would have ended this process before going on itself.
        }
    }

    /// <summary>Reports why this process cannot continue; the other one may be gone as well.</summary>
    public async Task FailAsync(string reason)
    {
        try
        {
            await SayAsync(UpgradeStep.Serving, reason, CancellationToken.None);
        }
        catch (IOException)
        {
            // The other process no longer waits for it.
        }
    }

    /// <summary>Waits until the other process accepts no more clients, and takes over its state.</summary>
    public async Task TakeOverAsync(Node node, CancellationToken cancel)
    {
        var left = await _channel.ReceiveAsync(UpgradeJson.Default.UpgradeLegacy, cancel);
        foreach (int fd in left.Listeners.SelectMany(l => l.Descriptors)) LentDescriptors.Keep(fd);
        node.Inherit(new NodeLegacy(
            [.. left.Listeners.Select(l => new InheritedListener(l.Name, IPEndPoint.Parse(l.Bind), IPEndPoint.Parse(l.Bound), l.Descriptors))],
            [.. left.Paused], [.. left.Backends]));
        await _channel.ReceiveEntriesAsync(entries => node.Sticky.Import(entries), cancel);
    }

    public ValueTask DisposeAsync() => _channel.DisposeAsync();
}
