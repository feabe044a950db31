using System.Collections.Immutable;
using System.IO.Pipes;
using System.Net;
using ActorLb.Hosting;
using ActorLb.Native;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>The process whose place this one takes, as this one sees it.</summary>
internal sealed class Predecessor : IAsyncDisposable
{
    /// <summary>Names the two pipes to a process that is to take another's place.</summary>
    public const string Variable = "ACTORLB_TAKE_OVER";

    private readonly UpgradeChannel _channel;

    private Predecessor(UpgradeChannel channel) => _channel = channel;

    /// <summary>What it said first.</summary>
    public required UpgradeOffer Offer { get; init; }

    /// <summary>Null when this process was started by itself, as usual.</summary>
    /// <exception cref="IOException">It was not, and the other one cannot be understood.</exception>
    public static async Task<Predecessor?> FindAsync(CancellationToken cancel)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } pipes) return null;
        // Programs that are started from here must not take themselves for the same.
        Environment.SetEnvironmentVariable(Variable, null);
        if (pipes.Split(' ') is not [var from, var to]) throw new IOException($"{Variable} names no pipes: it is for the program's own use");
        AnonymousPipeClientStream input, output;
        try
        {
            input = new AnonymousPipeClientStream(PipeDirection.In, from);
            output = new AnonymousPipeClientStream(PipeDirection.Out, to);
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            throw new IOException($"{Variable} names no pipes: it is for the program's own use", e);
        }
        foreach (AnonymousPipeClientStream pipe in (AnonymousPipeClientStream[])[input, output])
        {
            LentDescriptors.Keep((int)pipe.SafePipeHandle.DangerousGetHandle());
        }
        var channel = new UpgradeChannel(input, output);
        UpgradeOffer offer = await channel.ReceiveAsync(UpgradeJson.Default.UpgradeOffer, cancel);
        if (offer.Version != UpgradeOffer.CurrentVersion)
        {
            string reason = $"version {Program.Version} hands over otherwise (protocol {UpgradeOffer.CurrentVersion}, not {offer.Version}): stop the node and start the new version";
            await channel.SendAsync(new UpgradeStep(UpgradeStep.Prepared, reason), UpgradeJson.Default.UpgradeStep, cancel);
            throw new IOException(reason);
        }
        if (offer.PidDescriptor >= 0) LentDescriptors.Keep(offer.PidDescriptor);
        return new Predecessor(channel) { Offer = offer };
    }

    public Task SayAsync(string step, string? failure, CancellationToken cancel) =>
        _channel.SendAsync(new UpgradeStep(step, failure), UpgradeJson.Default.UpgradeStep, cancel);

    /// <summary>Says why this process goes no further; the other one may have gone as well.</summary>
    public async Task FailAsync(string reason)
    {
        try
        {
            await SayAsync(UpgradeStep.Serving, reason, CancellationToken.None);
        }
        catch (IOException)
        {
            // Nobody waits for it any more.
        }
    }

    /// <summary>Waits until the other one accepts nobody any more, and takes what it leaves.</summary>
    public async Task TakeOverAsync(Node node, CancellationToken cancel)
    {
        UpgradeLegacy left = await _channel.ReceiveAsync(UpgradeJson.Default.UpgradeLegacy, cancel);
        foreach (int fd in left.Listeners.SelectMany(l => l.Descriptors)) LentDescriptors.Keep(fd);
        node.Inherit(new NodeLegacy(
            [.. left.Listeners.Select(l => new InheritedListener(l.Name, IPEndPoint.Parse(l.Bind), IPEndPoint.Parse(l.Bound), l.Descriptors))],
            [.. left.Paused], [.. left.Backends]));
        await _channel.ReceiveEntriesAsync(entries => node.Sticky.Import(entries), cancel);
    }

    public ValueTask DisposeAsync() => _channel.DisposeAsync();
}
