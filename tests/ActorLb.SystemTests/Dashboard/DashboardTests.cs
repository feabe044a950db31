using System.Globalization;
using System.Text.RegularExpressions;
using ActorLb.SystemTests.Fleet;
using ActorLb.Testing;
using ActorLb.Testing.Processes;
using Microsoft.Playwright;

namespace ActorLb.SystemTests.Dashboard;

/// <summary>The dashboard as an operator sees and uses it, in real Chromium.</summary>
[Collection(FleetGroup.Name)]
public sealed class DashboardTests(DashboardFleet shared) : IClassFixture<DashboardFleet>
{
    private const string Hostile = "<img src=x onerror=\"document.title='owned'\">\u202e\u0007evil";

    private readonly TestFleet _fleet = shared.Fleet;

    private static LocatorAssertionsToContainTextOptions Soon => new() { Timeout = 20_000 };

    [Fact]
    [Trait("speed", "slow")]
    public async Task Overview_ShowsTheFleet_AsksOnceForTheToken_AndNobodyElse()
    {
        await using var screen = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[0], token: null);
        await screen.GiveTokenAsync("not-the-token");
        await Assertions.Expect(screen.Page.GetByText("The node does not take this token.")).ToBeVisibleAsync();
        await screen.GiveTokenAsync(TestFleet.AdminToken);
        await screen.UntilLiveAsync();

        // Kept for the tab, and for no other.
        await screen.Page.ReloadAsync();
        await screen.UntilLiveAsync();
        Assert.Equal(0, await screen.Page.EvaluateAsync<int>("localStorage.length + document.cookie.length"));

        foreach (var node in _fleet.Nodes)
            await Assertions.Expect(screen.Row(node.Name).First).ToContainTextAsync("up", Soon);
        foreach (var broker in _fleet.Brokers)
            await Assertions.Expect(screen.Row(broker.EndPoint.ToString())).ToContainTextAsync(broker.Open.ToString("n0", CultureInfo.InvariantCulture), Soon);
        await Assertions.Expect(screen.Page.Locator(".tile").First).ToContainTextAsync("2,000", Soon);
        await Assertions.Expect(screen.Page.GetByRole(AriaRole.Img, new PageGetByRoleOptions { Name = "Connections, the last 15 minutes. now 2,0" })).ToHaveCountAsync(1, new() { Timeout = 20_000 });

        await AgeAsync();
        await screen.KeepAsync("overview");
        await screen.AssertAccessibleAsync();
        Assert.Equal([_fleet.Nodes[0].Admin.ToString()], screen.Hosts);
        Assert.Empty(screen.Complaints);
        Assert.InRange(await LoadSizeAsync(), 1, 100_000);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Drain_ClickedThrough_HoldsOnEveryNode_AndShowsItsProgress()
    {
        var broker = _fleet.Brokers[0];
        string id = broker.EndPoint.ToString();
        await using var screen = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[1]);
        await AgeAsync();
        await screen.Button($"Drain {id}").ClickAsync();
        await screen.Field("Rate").FillAsync("40");
        await screen.Field("Deadline").FillAsync("soon");
        await screen.Button("Drain").ClickAsync();
        await Assertions.Expect(screen.Page.GetByText("A duration is such as 90s, 10m or 1h.")).ToBeVisibleAsync();
        await screen.Field("Deadline").FillAsync("10m");
        await screen.Button("Drain").ClickAsync();
        await _fleet.UntilAdminAsync(broker, "drain");
        var drain = screen.Page.GetByRole(AriaRole.Listitem).Filter(new LocatorFilterOptions { HasText = "to go" });
        await Assertions.Expect(drain).ToContainTextAsync(new Regex(@"1\d\d of 6\d\d closed .* 40 a second, for \d+ s more; the deadline is in 9 min"), Soon);
        await Assertions.Expect(screen.Row(id)).ToContainTextAsync("draining", Soon);
        await screen.KeepAsync("drain");
        await screen.AssertAccessibleAsync();
        await screen.Button($"Pause the drain of {id}").ClickAsync();
        await _fleet.UntilAsync(broker, b => b.GetProperty("drain").GetProperty("state").GetString() == "paused", "pauses its drain");
        await Assertions.Expect(drain).ToContainTextAsync("; paused", Soon);
        await screen.Button($"Resume the drain of {id}").ClickAsync();
        await _fleet.UntilAsync(broker, b => b.GetProperty("drain").GetProperty("state").GetString() == "running", "goes on with its drain");

        await screen.Page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "p", Exact = true }).First.ClickAsync();
        await Assertions.Expect(screen.Heading("Pool p")).ToBeFocusedAsync();
        await screen.AssertAccessibleAsync();
        await screen.Button($"Take {id} up").First.ClickAsync();
        await _fleet.UntilAdminAsync(broker, "up");
        await Assertions.Expect(drain).ToHaveCountAsync(0, new() { Timeout = 20_000 });

        // Its clients went elsewhere: the pool is filled again.
        await screen.Button("Rebalance…").ClickAsync();
        await screen.Field("Rate").FillAsync("200/s");
        await screen.Button("Rebalance").ClickAsync();
        await Assertions.Expect(drain).ToContainTextAsync("; done", new() { Timeout = 40_000 });
        Assert.Equal("done", (await _fleet.Nodes[0].GetAsync("pools/p")).GetProperty("rebalance").GetProperty("state").GetString());

        // What the node refuses is said in its own words.
        await screen.Button("Add a broker…").ClickAsync();
        await screen.Field("Address").FillAsync(id);
        await screen.Button("Add").ClickAsync();
        await Assertions.Expect(screen.Page.Locator("#toast .bad")).ToContainTextAsync(id, Soon);

        // What hurts asks first, and Escape is no.
        await screen.Button($"Take {id} down").ClickAsync();
        await Assertions.Expect(screen.Button("Cancel")).ToBeFocusedAsync();
        await screen.Page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(screen.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await screen.Button($"Change the weight of {id}").ClickAsync();
        await screen.Field("Weight").FillAsync("7");
        await screen.Button("Set").ClickAsync();
        await _fleet.UntilAsync(broker, b => b.GetProperty("weight").GetInt32() == 7 && b.GetProperty("admin").GetString() == "up", "has the weight 7 and is up");
        await _fleet.Nodes[0].ChangeAsync(HttpMethod.Put, $"backends/{id}/weight", new { weight = 1 });
        Assert.Empty(screen.Complaints);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Device_OfAnotherNode_IsFound_ShownAsText_MovedAndKicked()
    {
        using var client = await TestFleet.OpenAsync(_fleet.Nodes[2], Hostile, keepAlive: 0);
        await using var screen = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[0], "#/devices");
        await screen.Field("Client id, as the broker sees it").FillAsync(Hostile);
        await screen.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(screen.Page.Locator("#device")).ToHaveTextAsync("<img src=x onerror=\"document.title='owned'\">\\u202e\\u0007evil");
        var found = screen.Row(_fleet.Brokers[client.Broker].EndPoint.ToString());
        await Assertions.Expect(found).ToContainTextAsync("lb-3", Soon);
        await Assertions.Expect(screen.Page.Locator("#found img")).ToHaveCountAsync(0);
        Assert.EndsWith("– ActorLb", await screen.Page.TitleAsync(), StringComparison.Ordinal);
        await screen.AssertAccessibleAsync();
        await screen.KeepAsync("device");

        string target = _fleet.Brokers[(client.Broker + 1) % 3].EndPoint.ToString();
        await screen.Button("Move…").ClickAsync();
        await screen.Page.GetByRole(AriaRole.Combobox).SelectOptionAsync(target);
        await screen.Button("Move").ClickAsync();
        await Wait.UntilAsync(
            async () => (await _fleet.Nodes[1].GetAsync($"sticky?client={Uri.EscapeDataString(Hostile)}")).GetProperty("entries")[0].GetProperty("backend").GetString() == target,
            () => "the device was not moved");
        // It was kicked, for its next CONNECT to come now; on all nodes, so that one that comes before the last of them has looked is kicked too.
        Assert.Equal(0xe0, (await client.Raw.ReadToEndAsync()).Bytes[0]);
        await Assertions.Expect(screen.Page.Locator("#toast")).ToContainTextAsync("and was kicked.", Soon);
        using var again = await TestFleet.OpenAsync(_fleet.Nodes[1], Hostile, keepAlive: 0);
        Assert.Equal(target, _fleet.Brokers[again.Broker].EndPoint.ToString());

        await screen.Button("Look again").ClickAsync();
        await Assertions.Expect(screen.Row(target)).ToContainTextAsync("lb-2", Soon);
        await screen.Button("Kick…").ClickAsync();
        await screen.Button("Kick").ClickAsync();
        Assert.Equal(0xe0, (await again.Raw.ReadToEndAsync()).Bytes[0]);
        await Assertions.Expect(screen.Page.GetByText("It is not connected.")).ToBeVisibleAsync(new() { Timeout = 20_000 });
        Assert.Empty(screen.Complaints);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Phone_InTheDark_AndWithoutAMouse()
    {
        await using var screen = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[0], width: 360, height: 740, scheme: ColorScheme.Dark);
        foreach (string? path in new[] { "#/pool/p", "#/node/lb-2", "#/devices/meter-0001", "#/" })
        {
            await screen.Page.EvaluateAsync("hash => { location.hash = hash; }", path);
            await screen.Page.WaitForTimeoutAsync(200);
            await screen.AssertNoSidewaysScrollAsync(path);
        }

        string back = await screen.Page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor");
        Assert.Equal("rgb(15, 20, 27)", back);
        await screen.AssertAccessibleAsync();
        await screen.KeepAsync("phone");

        // From the top by Tab alone: past the pages, to a broker's button, and back to it.
        await screen.Page.ReloadAsync();
        await screen.UntilLiveAsync();
        var steps = new List<string>();
        for (int i = 0; i < 60 && !steps.LastOrDefault("").StartsWith("Drain ", StringComparison.Ordinal); i++)
        {
            await screen.Page.Keyboard.PressAsync("Tab");
            steps.Add(await screen.Page.EvaluateAsync<string>("(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()"));
            Assert.True(await screen.Page.EvaluateAsync<bool>("document.activeElement.matches(':focus-visible')"), steps[^1]);
        }

        Assert.Contains("Skip to the content", steps);
        Assert.Contains("Devices", steps);
        Assert.StartsWith("Drain ", steps[^1], StringComparison.Ordinal);
        await screen.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(screen.Field("Rate")).ToBeFocusedAsync();
        await screen.AssertAccessibleAsync();
        await screen.Page.Keyboard.PressAsync("Escape");
        Assert.Equal(steps[^1], await screen.Page.EvaluateAsync<string>("document.activeElement.getAttribute('aria-label')"));
        Assert.Empty(screen.Complaints);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Trouble_IsLoud_AndCostsNothingWhenNobodyLooks()
    {
        await using (var screen = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[0]))
        await using (var lost = await Screen.OpenAsync(shared.Browser, _fleet.Nodes[2]))
        {
            var node = _fleet.Nodes[2];
            string secure = $"listeners.mqtts {{ bind = \"{_fleet.Nodes[0].Secure}\", pool = p, tls {{ certificate = \"{shared.Ending.CertificatePath}\", key = \"{shared.Ending.KeyPath}\" }} }}\n  ";
            await _fleet.Nodes[0].ReloadAsync(text => text.Replace("listeners.mqtt ", secure + "listeners.mqtt ", StringComparison.Ordinal));
            node.Process.Signal(ProcessHost.SigStop);
            try
            {
                await Assertions.Expect(lost.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The connection to the node is lost", Soon);
                Assert.Equal("grayscale(1)", await lost.Page.EvaluateAsync<string>("getComputedStyle(document.querySelector('main')).filter"));
                await Assertions.Expect(screen.Page.Locator("#banners")).ToContainTextAsync(new Regex("lb-3 does not answer|lb-3 .* is not in the fleet"), Soon);
            }
            finally
            {
                node.Process.Signal(ProcessHost.SigCont);
            }

            await lost.UntilLiveAsync();
            await Assertions.Expect(lost.Page.GetByRole(AriaRole.Alert)).ToHaveCountAsync(0);

            await Assertions.Expect(screen.Page.Locator("#banners")).ToContainTextAsync("The certificate of listener mqtts ends in ", Soon);
            await Assertions.Expect(screen.Page.Locator("#banners")).ToContainTextAsync("have another configuration", Soon);
            await screen.KeepAsync("warnings");
            await screen.AssertAccessibleAsync();
            await _fleet.Nodes[0].ReloadAsync(text => text.Replace(secure, "", StringComparison.Ordinal));
            await Assertions.Expect(screen.Page.Locator("#banners")).ToBeEmptyAsync(new() { Timeout = 20_000 });

            // A node is taken out at its own page, and back.
            await lost.Page.EvaluateAsync("() => { location.hash = '#/node/lb-3'; }");
            await lost.Button("Drain the node lb-3").ClickAsync();
            await lost.Field("Within").FillAsync("60s");
            await lost.Button("Drain").ClickAsync();
            await lost.Button("Resume lb-3").WaitForAsync();
            Assert.Equal("draining", (await node.GetAsync("node")).GetProperty("state").GetString());
            await lost.Button("Resume lb-3").ClickAsync();
            await lost.Button("Drain the node lb-3").WaitForAsync();
            Assert.Equal("ready", (await node.GetAsync("node")).GetProperty("state").GetString());
            await _fleet.WhenSettledAsync();
        }

        double samples = await QuietAsync();
        // Nothing tells of what is not asked: three periods.
        await Task.Delay(TimeSpan.FromSeconds(3));
        Assert.Equal(samples, await SamplesAsync());
    }

    /// <summary>What the charts show is as old as the fleet: for pictures with a past, <c>ACTORLB_TEST_CHARTS</c> names the seconds to wait.</summary>
    private static Task AgeAsync() =>
        Task.Delay(TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("ACTORLB_TEST_CHARTS") ?? "0", CultureInfo.InvariantCulture)));

    /// <summary>Bytes of a first load: everything but what the stream sends.</summary>
    private async Task<long> LoadSizeAsync()
    {
        long size = 0;
        string page = await _fleet.Nodes[0].Http.GetStringAsync(new Uri("/", UriKind.Relative));
        await using var context = await shared.Browser.NewContextAsync();
        var window = await context.NewPageAsync();
        var sizes = new List<Task<RequestSizesResult>>();
        window.RequestFinished += (_, request) => sizes.Add(request.SizesAsync());
        await window.GotoAsync($"http://{_fleet.Nodes[0].Admin}/");
        await window.GetByRole(AriaRole.Dialog).WaitForAsync();
        foreach (var one in sizes.ToArray())
        {
            var answer = await one;
            size += answer.ResponseBodySize + answer.ResponseHeadersSize;
        }

        Assert.True(sizes.Count > 10 && page.Length > 0);
        TestContext.Current.TestOutputHelper!.WriteLine($"a page load is {size} bytes in {sizes.Count} answers");
        return size;
    }

    private async Task<double> SamplesAsync() => await _fleet.SumAsync("actorlb_dashboard_samples_total");

    /// <summary>Waits until no node has a viewer, and a second more.</summary>
    private async Task<double> QuietAsync()
    {
        await Wait.UntilAsync(async () => await _fleet.SumAsync("actorlb_dashboard_viewers") == 0, () => "there are viewers");
        // The sampling that the last one caused.
        await Task.Delay(TimeSpan.FromSeconds(1.5));
        return await SamplesAsync();
    }
}
