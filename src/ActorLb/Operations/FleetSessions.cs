using System.Text;
using System.Text.Json;
using ActorLb.Fleet.Inquiries;
using ActorLb.Protocol.Admin;

namespace ActorLb.Operations;

/// <summary>
/// The sessions of all nodes. Lists read the nodes one after another, a limited part at a time, so that memory is bounded by what
/// is requested. A node that does not answer is named in the result, never silently left out.
/// </summary>
internal sealed class FleetSessions
{
    /// <summary>The most bytes of client ids in one page: an id may have 65,535 bytes, each up to six in JSON.</summary>
    private const int PageBytes = 256 * 1024;

    private const string ListQuestion = "sessions.list", KickQuestion = "sessions.kick", CountQuestion = "sessions.count", TopQuestion = "sessions.top";

    private readonly string _self;
    private readonly Inquiry _inquiry;

    /// <param name="count">Counts this node's sessions.</param>
    public FleetSessions(string self, Inquiry inquiry, SessionDirectory own, Func<SessionCount> count)
    {
        _self = self;
        _inquiry = inquiry;
        inquiry.Answer(ListQuestion, async (request, cancel) =>
        {
            (var filter, string? after, int limit, int bytes) = SessionWire.ReadList(request.Span);
            return SessionWire.WritePage(await own.ListAsync(filter, after, limit, bytes, cancel).ConfigureAwait(false));
        });
        inquiry.Answer(KickQuestion, async (request, cancel) =>
        {
            (string clientId, string node, string by) = SessionWire.ReadKick(request.Span);
            int kicked = await own.KickAsync(clientId, cancel).ConfigureAwait(false);
            // The node that the operator asked writes its own audit line.
            if (node != self && kicked > 0) KickedForOthers?.Invoke($"node {node}, {by}", clientId, kicked);
            return SessionWire.WriteNumber(kicked);
        });
        inquiry.Answer(CountQuestion, (_, _) => Task.FromResult(JsonSerializer.SerializeToUtf8Bytes(count(), AdminJson.Wire.SessionCount)));
        inquiry.Answer(TopQuestion, async (request, cancel) => request.Span is [var by and <= (byte)TopBy.Connects, ..]
            ? SessionWire.WriteTop(await own.TopAsync((TopBy)by, SessionWire.TopClients, cancel).ConfigureAwait(false))
            : throw new FormatException("it does not know what to rank sessions by (another release?)"));
    }

    /// <summary>
    /// Called when sessions were closed here for another node's operator: with the origin, the client id and the number.
    /// </summary>
    public Action<string, string, int>? KickedForOthers { get; set; }

    /// <param name="filter">A valid text for <see cref="SessionFilter"/>.</param>
    /// <param name="after">A page's <see cref="SessionPage.Next"/>, or null for the start.</param>
    /// <param name="limit">The most sessions; fewer if their client ids are long.</param>
    /// <param name="node">The only node to ask; null for all.</param>
    /// <returns>Null if <paramref name="after"/> is invalid.</returns>
    public Task<SessionPage?> ListAsync(string filter, string? after, int limit, string? node, CancellationToken cancel) =>
        PageAsync(filter, isClientId: false, after, limit, node, cancel);

    /// <summary>
    /// The sessions of one client id. Usually there are few, so all nodes are asked at once, and one after another only if there
    /// are too many.
    /// </summary>
    public async Task<SessionPage?> FindAsync(string clientId, string? after, int limit, string? node, CancellationToken cancel)
    {
        if (after is null)
        {
            byte[] request = SessionWire.WriteList(clientId, isClientId: true, null, SessionWire.PageSessions, SessionWire.PageBytes);
            var answers = await _inquiry.AskAsync(ListQuestion, request, node, cancel).ConfigureAwait(false);
            var pages = Read(answers, a => SessionWire.ReadPage(a.Body, a.Node));
            SessionInfo[] found = [.. pages.SelectMany(p => p.Sessions)];
            if (found.Length <= limit && pages.All(p => p.Next is null)) return new SessionPage(found, null) { Silent = SilentOf(answers) };
        }
        return await PageAsync(clientId, isClientId: true, after, limit, node, cancel).ConfigureAwait(false);
    }

    /// <param name="by">Who requested it, for the other nodes' audit logs.</param>
    public async Task<SessionKick> KickAsync(string clientId, string by, string? node, CancellationToken cancel)
    {
        var answers = await _inquiry.AskAsync(KickQuestion, SessionWire.WriteKick(clientId, _self, by), node, cancel).ConfigureAwait(false);
        var kicked = Read(answers, a => new NamedCount(a.Node, SessionWire.ReadNumber(a.Body)));
        return new SessionKick(clientId, kicked.Sum(k => k.Count)) { Nodes = [.. kicked.Where(k => k.Count > 0)], Silent = SilentOf(answers) };
    }

    public async Task<SessionCount> CountAsync(string? node, CancellationToken cancel)
    {
        var answers = await _inquiry.AskAsync(CountQuestion, default, node, cancel).ConfigureAwait(false);
        var counts = Read(answers, a => JsonSerializer.Deserialize(a.Body, AdminJson.Wire.SessionCount) ?? throw new JsonException("null"));
        return new SessionCount(
            answers.Length == 1 ? answers[0].Node : null, counts.Sum(c => c.Total), counts.Sum(c => c.Reading), counts.Sum(c => c.Connecting),
            counts.Sum(c => c.Established), counts.Sum(c => c.Closing), Add(counts.SelectMany(c => c.Listeners)), Add(counts.SelectMany(c => c.Backends)))
        {
            Nodes = [.. counts.Select(c => new NamedCount(c.Node ?? "", c.Total))],
            Silent = SilentOf(answers),
        };
    }

    public async Task<SessionTop> TopAsync(TopBy by, int limit, string? node, CancellationToken cancel)
    {
        var answers = await _inquiry.AskAsync(TopQuestion, new[] { (byte)by }, node, cancel).ConfigureAwait(false);
        var all = Read(answers, a => SessionWire.ReadTop(a.Body, a.Node)).SelectMany(t => t);
        var top = by == TopBy.Connects ? TopBys.Sum(all, limit) : [.. all.OrderByDescending(c => c.Value).Take(limit)];
        return new SessionTop(TopBys.NameOf(by), top) { Silent = SilentOf(answers) };
    }

    /// <summary>Reads node by node, starting after a position, until the page is full.</summary>
    private async Task<SessionPage?> PageAsync(string text, bool isClientId, string? after, int limit, string? node, CancellationToken cancel)
    {
        if (!TryReadPlace(after, out string? from, out string? place)) return null;
        IEnumerable<string> names = node is null ? _inquiry.Nodes : [node];
        var found = new List<SessionInfo>();
        var silent = new List<NodeAnswer>();
        int bytesLeft = PageBytes;
        foreach (string name in names.Where(n => from is null || string.CompareOrdinal(n, from) >= 0))
        {
            string? at = name == from ? place : null;
            do
            {
                if (found.Count >= limit || bytesLeft <= 0) return Page($"{name}/{at}");
                byte[] request = SessionWire.WriteList(
                    text, isClientId, at, Math.Min(limit - found.Count, SessionWire.PageSessions), Math.Min(bytesLeft, SessionWire.PageBytes));
                var answers = await _inquiry.AskAsync(ListQuestion, request, name, cancel).ConfigureAwait(false);
                var pages = Read(answers, a => SessionWire.ReadPage(a.Body, a.Node));
                silent.AddRange(answers);
                found.AddRange(pages.SelectMany(p => p.Sessions));
                bytesLeft -= pages.SelectMany(p => p.Sessions).Sum(s => Encoding.UTF8.GetByteCount(s.ClientId ?? ""));
                at = pages is [{ Next: { } next }] ? next : null;
            }
            while (at is not null);
        }
        if (node is null && _inquiry.Unknown is { } unknown) silent.Add(unknown);
        return Page(null);

        SessionPage Page(string? next) => new([.. found], next) { Silent = SilentOf(silent) };
    }

    /// <summary>Reads the answers; marks unreadable ones as problems.</summary>
    private static T[] Read<T>(NodeAnswer[] answers, Func<NodeAnswer, T> read)
    {
        var values = new List<T>();
        for (int i = 0; i < answers.Length; i++)
        {
            if (answers[i].Problem is not null) continue;
            try
            {
                values.Add(read(answers[i]));
            }
            catch (Exception e) when (e is FormatException or JsonException)
            {
                answers[i] = answers[i] with { Problem = $"its answer cannot be read (another release?): {e.Message}" };
            }
        }
        return [.. values];
    }

    private static SilentNode[] SilentOf(IEnumerable<NodeAnswer> answers) =>
        [.. answers.Where(a => a.Problem is not null).Select(a => new SilentNode(a.Node, a.Problem!))];

    private static NamedCount[] Add(IEnumerable<NamedCount> counts) =>
        [.. counts.GroupBy(c => c.Name, StringComparer.Ordinal).Select(g => new NamedCount(g.Key, g.Sum(c => c.Count))).OrderBy(c => c.Name, StringComparer.Ordinal)];

    /// <param name="place">Null for the node's start.</param>
    private static bool TryReadPlace(string? text, out string? node, out string? place)
    {
        node = place = null;
        if (text is null) return true;
        int slash = text.LastIndexOf('/');
        if (slash <= 0) return false;
        node = text[..slash];
        place = slash == text.Length - 1 ? null : text[(slash + 1)..];
        return place is null || SessionDirectory.IsPlace(place);
    }
}
