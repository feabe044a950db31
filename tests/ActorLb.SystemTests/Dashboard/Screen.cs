using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using ActorLb.Hosting;
using ActorLb.SystemTests.Fleet;
using ActorLb.Testing;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace ActorLb.SystemTests.Dashboard;

/// <summary>A window of the browser with the dashboard of one node, and all that the browser had to say of it.</summary>
internal sealed class Screen : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly ConcurrentQueue<string> _hosts = new();

    private Screen(IBrowserContext context, IPage page, FleetNodeProcess node)
    {
        (_context, Page, Node) = (context, page, node);
        page.Console += (_, message) =>
        {
            // A 401 before the token is given, a 404 of a device that is nowhere and a refusal are answers.
            if (message.Type is "error" or "warning" && !Regex.IsMatch(message.Text, "^Failed to load resource: .* (401|404|409) "))
                _complaints.Enqueue(message.Text);
        };
        page.PageError += (_, error) => _complaints.Enqueue(error);
        page.Request += (_, request) => _hosts.Enqueue(new Uri(request.Url).Authority);
    }

    public IPage Page { get; }

    public FleetNodeProcess Node { get; }

    /// <summary>What the browser found wrong: exceptions, violations of the content policy.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints;

    /// <summary>Whom the browser asked for anything.</summary>
    public IEnumerable<string> Hosts => _hosts.Distinct();

    /// <summary>Where screenshots go; the directory is ignored by git.</summary>
    public static string Artefacts { get; } = RepositoryRoot.File("artifacts", "dashboard");

    /// <param name="token">Given to the page when it asks; null leaves the question open.</param>
    public static async Task<Screen> OpenAsync(
        IBrowser browser, FleetNodeProcess node, string path = "", string? token = TestFleet.AdminToken, int width = 1360, int height = 1180,
        ColorScheme scheme = ColorScheme.Light)
    {
        var context = await browser.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = height },
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(20_000);
        var screen = new Screen(context, await context.NewPageAsync(), node);
        await screen.Page.GotoAsync($"http://{node.Admin}/{path}");
        if (token is null)
            return screen;
        await screen.GiveTokenAsync(token);
        await screen.UntilLiveAsync();
        return screen;
    }

    public async Task GiveTokenAsync(string token)
    {
        await Field("Token").FillAsync(token);
        await Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Use it" }).ClickAsync();
    }

    /// <summary>Without eval, which the content policy forbids to Playwright's own waiting, too.</summary>
    public Task UntilLiveAsync() => Assertions.Expect(Page.Locator("body[data-link=live]:not(:has(dialog))")).ToHaveCountAsync(1, new() { Timeout = 20_000 });

    /// <summary>A button anywhere, by its name for a screen reader.</summary>
    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = name, Exact = true });

    public ILocator Field(string label) => Page.GetByLabel(label, new PageGetByLabelOptions { Exact = true });

    public ILocator Heading(string name) => Page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Name = name });

    /// <summary>The row of a table whose heading is that.</summary>
    public ILocator Row(string heading) => Page.GetByRole(AriaRole.Row).Filter(new LocatorFilterOptions { Has = Page.GetByRole(AriaRole.Rowheader, new PageGetByRoleOptions { Name = heading }) });

    /// <summary>Names what in the page keeps people out, after axe-core: contrast, names, roles, landmarks.</summary>
    public async Task AssertAccessibleAsync()
    {
        var found = await Page.RunAxe();
        Assert.Empty(found.Violations.Select(v => $"{v.Id}: {v.Help}: {string.Join("; ", v.Nodes.Take(3).Select(n => n.Html))}"));
    }

    public async Task AssertNoSidewaysScrollAsync(string where)
    {
        int[] widths = await Page.EvaluateAsync<int[]>("[document.documentElement.scrollWidth, innerWidth]");
        Assert.True(widths[0] <= widths[1], $"{where} is {widths[0]} wide on a screen of {widths[1]}");
    }

    /// <summary>Keeps a picture as an artefact of the test.</summary>
    public async Task KeepAsync(string name, bool whole = false)
    {
        Directory.CreateDirectory(Artefacts);
        byte[] picture = await Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Artefacts, name + ".png"), FullPage = whole });
        TestContext.Current.AddAttachment(name + ".png", picture, "image/png");
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
