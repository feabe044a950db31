using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Description;

/// <summary>All operations of <c>/api/v1</c>. A test compares them with the routes that are mapped, both ways: whoever adds a route adds a line.</summary>
internal static class ApiOperations
{
    private const string Get = "GET", Post = "POST", Put = "PUT", Delete = "DELETE";

    private static readonly int[] Input = [StatusCodes.Status400BadRequest];
    private static readonly int[] Named = [StatusCodes.Status404NotFound];
    private static readonly int[] Refusable = [StatusCodes.Status409Conflict];
    private static readonly int[] AnyError = [StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound, StatusCodes.Status409Conflict];

    private static readonly ApiParameter Pool = new("pool", "the backend's pool, needed where several have it");
    private static readonly ApiParameter StickyPool = new("pool", "only this sticky pool; all of them when left out");
    private static readonly ApiParameter Client = new("client", "the client id", Required: true);
    private static readonly ApiParameter Node = new("node", "only this node; the whole fleet when left out");
    private static readonly ApiParameter After = new("after", "the next of an earlier answer: goes on behind it");

    private static AdminJson Wire => AdminJson.Wire;

    public static ApiOperation[] All { get; } =
    [
        new(Get, "node", "What the node is and how it is", Wire.NodeInfo),
        new(Post, "node/drain", "Takes no clients and closes the connections bit by bit", Wire.NodeDrain)
        {
            Status = StatusCodes.Status202Accepted, Body = Wire.NodeDrainRequest, BodyMayBeAbsent = true, Errors = [.. Input, .. Refusable],
        },
        new(Post, "node/resume", "Takes a drain back", Wire.Done) { Errors = Refusable },
        new(Put, "node/log-level", "Changes how much the node logs, until the next reload or restart", Wire.NodeLogLevel) { Body = Wire.NodeLogLevel, Errors = Input },
        new(Get, "config", "The configuration that runs, secrets masked, with what operators added", Wire.ConfigText),
        new(Get, "config/certificates", "Certificates, authorities and revocation lists in use", Wire.CertificateList),
        new(
            Post, "config/check", "Checks the text of a configuration without applying it", Wire.ConfigCheck,
            new ApiParameter("file", "what positions name, and what relative names in it are relative to; the node's file when left out"))
        {
            TextBody = "a configuration in HOCON", Errors = Refusable,
        },
        new(Post, "config/reload", "Reads the node's file again: applied whole or not at all", Wire.ConfigReload) { Errors = Refusable },
        new(Get, "listeners", "The listeners", Wire.ListenerList),
        new(Post, "listeners/{listener}/pause", "Closes a listener for now; open connections stay", Wire.ListenerInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "listeners/{listener}/resume", "Opens a paused listener again", Wire.ListenerInfo) { Errors = [.. Named, .. Refusable] },
        new(Get, "pools", "The pools", Wire.PoolList),
        new(Get, "pools/{pool}", "A pool's backends", Wire.PoolInfo) { Errors = Named },
        new(Post, "pools/{pool}/backends", "Adds a backend on all nodes, across reloads and restarts", Wire.BackendAdded) { Body = Wire.BackendAdd, Errors = AnyError },
        new(Delete, "backends/{backend}", "Takes a backend out again that was added at run time", Wire.Done, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/drain", "Sends a backend no new clients; those that belong to it keep it", Wire.BackendInfo, Pool)
        {
            Body = Wire.BackendDrain, BodyMayBeAbsent = true, Errors = AnyError,
        },
        new(Post, "backends/{backend}/pause", "Holds a drain at a rate", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/resume", "Goes on with a drain at a rate", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance", "Moves sessions at a rate until the backends have their weights' parts", Wire.PoolInfo) { Body = Wire.PoolRebalance, Errors = AnyError },
        new(Delete, "pools/{pool}/rebalance", "Ends a rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance/pause", "Holds a rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance/resume", "Goes on with a rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/down", "Sends a backend nobody: its clients move at their next connect", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/up", "Sends a backend clients again", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Put, "backends/{backend}/weight", "Changes a backend's share of new clients", Wire.BackendInfo, Pool) { Body = Wire.BackendWeight, Errors = AnyError },
        new(Post, "backends/{backend}/flush", "Forgets all clients of a backend", Wire.StickyFlush, Pool) { Errors = [.. Named, .. Refusable] },
        new(Get, "sticky", "Which backend a client belongs to", Wire.StickyEntries, Client, StickyPool) { Errors = AnyError },
        new(Put, "sticky", "Gives a client to a backend, from its next connect on", Wire.StickyEntries, Client, StickyPool) { Body = Wire.StickyBackend, Errors = AnyError },
        new(Delete, "sticky", "Forgets which backend a client belongs to", Wire.Done, Client, StickyPool) { Errors = AnyError },
        new(Get, "sticky/stats", "How large the sticky map is", Wire.StickyStats),
        new(
            Get, "sessions", "Connections, a page at a time", Wire.SessionPage,
            new ApiParameter("filter", $"terms between blanks that all hold: a part of the client id, or KEY=VALUE with one of {SessionFilter.Keys}"),
            new ApiParameter("limit", "how many at most", "integer") { Least = 1, Most = 1000 }, After, Node) { Errors = [.. Input, .. Named] },
        new(Get, "sessions/count", "How many connections there are, by step, node, listener and backend", Wire.SessionCount, Node) { Errors = Named },
        new(Get, "sessions/find", "Where a client is connected, and since when", Wire.SessionPage, Client, After, Node) { Errors = [.. Input, .. Named] },
        new(
            Get, "sessions/top", "The connections with most traffic, or the clients with most connects", Wire.SessionTop,
            new ApiParameter("by", "what counts; bytes when left out", "string", Required: false, "bytes", "packets", "connects"),
            new ApiParameter("limit", "how many", "integer") { Least = 1, Most = SessionWire.TopClients }, Node) { Errors = [.. Input, .. Named] },
        new(Post, "sessions/kick", "Disconnects a client wherever it is", Wire.SessionKick, Client, Node) { Errors = [.. Input, .. Named] },
        new(Get, "bans", "Who may not come in, on any node", Wire.BanPage),
        new(Post, "bans", "Turns a client away on all nodes, and ends its connections", Wire.BanInfo) { Body = Wire.BanRequest, Errors = [.. Input, .. Refusable] },
        new(
            Delete, "bans", "Lets a client come in again; exactly one of the three is given", Wire.Done, new ApiParameter("client", "the banned client id"),
            new ApiParameter("username", "the banned user name"), new ApiParameter("address", "the banned address or network")) { Errors = AnyError },
        new(Get, "actors", "The actors of the control plane", Wire.ActorList),
        new(Get, "cluster", "The members of the fleet, as this node sees them", Wire.ClusterMembers),
        new(Get, "cluster/status", "This node's part in the fleet", Wire.ClusterStatus),
        new(Post, "cluster/leave", "Has a node leave the fleet", Wire.Done) { Body = Wire.ClusterNodeRequest, BodyMayBeAbsent = true, Errors = AnyError },
        new(Post, "cluster/down", "Gives a node up that does not answer", Wire.Done) { Body = Wire.ClusterNodeRequest, Errors = AnyError },
        new(
            Get, "cluster/events", "What happens, as it happens: an object a line, an empty line after a silence", Wire.NodeEvent,
            new ApiParameter("last", "begins with so many that were before", "integer") { Least = 1, Most = EventFeed.Kept },
            new ApiParameter("follow", "false ends behind those", "boolean"))
        {
            AnswerType = "application/x-ndjson", Errors = [.. Input, .. Refusable],
        },
        new(Get, StatisticsApi.StreamPath, "The fleet in numbers: an event 'snapshot' a second, and once 'history', the last 15 minutes (FleetHistory)", Wire.FleetStatistics)
        {
            AnswerType = "text/event-stream", Errors = Refusable,
        },
        new(Get, "cluster-sharding/regions", "How many shards each node has", Wire.ShardRegions),
        new(Get, "cluster-sharding/shards", "Which nodes have which shard", Wire.ShardList, new ApiParameter("node", "only the shards of this node")) { Errors = Named },
        new(Get, "cluster-sharding/stats", "This node's shards in numbers", Wire.ShardingStats),
        new(Post, "cluster-sharding/rebalance", "Tells how many shards are on their way: they are placed anew by themselves", Wire.Done),
    ];

    /// <summary>Of the paths.</summary>
    public static ApiParameter[] PathParameters { get; } =
    [
        new("pool", "the pool's name", Required: true), new("backend", "HOST:PORT", Required: true), new("listener", "the listener's name", Required: true),
    ];
}
