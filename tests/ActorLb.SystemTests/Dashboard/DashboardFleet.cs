using System.Collections.Concurrent;
using System.Text;
using ActorLb.SystemTests.Fleet;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Playwright;

namespace ActorLb.SystemTests.Dashboard;

/// <summary>A fleet of three with 2,000 clients, and Debian's Chromium to look at it.</summary>
public sealed class DashboardFleet : IAsyncLifetime
{
    internal const int Clients = 2000;

    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _ending = new();
    private readonly TestCertificates _certificates = new();
    private readonly FleetClients _clients = [];
    private TestFleet? _fleet;
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private Task _traffic = Task.CompletedTask;

    internal TestFleet Fleet => _fleet!;

    internal IBrowser Browser => _browser!;

    /// <summary>A certificate of its listener ends in a few days: the dashboard has to say so.</summary>
    internal TestCertificate Ending { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Ending = _certificates.Server(["lb.example.com"], notAfter: DateTimeOffset.UtcNow.AddDays(9));
        _fleet = await TestFleet.StartAsync(new TestFleetOptions { WantsToken = true });
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = "/usr/bin/chromium", Args = ["--no-sandbox"] });
        var opened = new ConcurrentBag<FleetClient>();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Clients), new ParallelOptions { MaxDegreeOfParallelism = 8 },
            // Nobody sends a PINGREQ.
            async (i, _) => opened.Add(await TestFleet.OpenAsync(_fleet.Nodes[i % 3], $"meter-{i:d4}", keepAlive: 0)));
        _clients.AddRange(opened);
        _traffic = LiveAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _traffic;
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        _clients.Dispose();
        if (_fleet is not null)
            await _fleet.DisposeAsync();
        _certificates.Dispose();
        _ending.Dispose();
    }

    /// <summary>What devices do: some tell something now and then, and whoever is disconnected comes back, through the next node.</summary>
    private async Task LiveAsync()
    {
        byte[] topic = ConnectBytes.Text("meters/power"), body = [.. topic, 0, .. Encoding.ASCII.GetBytes(new string('7', 100))];
        byte[] publish = [0x30, (byte)body.Length, .. body];
        using var timer = new PeriodicTimer(Turn);
        try
        {
            for (int turn = 0; await timer.WaitForNextTickAsync(_ending.Token); turn++)
            {
                for (int i = 0; i < _clients.Count; i++)
                {
                    // Nothing is sent to them but a DISCONNECT.
                    if (_clients[i].Raw.Socket.Available > 0)
                    {
                        _clients[i].Dispose();
                        _clients[i] = await ReturnAsync(_clients[i].Id, i);
                    }
                    else if (i % 20 == turn % 20)
                    {
                        await _clients[i].Raw.SendAsync(publish);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The tests are over.
        }
    }

    /// <summary>Through the next node where one takes nobody.</summary>
    private async Task<FleetClient> ReturnAsync(string id, int first)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                return await TestFleet.OpenAsync(Fleet.Nodes[(first + tries) % 3], id, keepAlive: 0);
            }
            catch (System.Net.Sockets.SocketException) when (tries < 3)
            {
                // It drains.
            }
        }
    }
}
