using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using ActorLb.Telemetry;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Description;

/// <summary>All operations of <c>/api/v1</c>. A test compares them with the mapped routes in both directions, so a new route needs a
/// line here.</summary>
internal static class ApiOperations
{
    private const string Get = "GET", Post = "POST", Put = "PUT", Delete = "DELETE";

    private static readonly int[] Input = [StatusCodes.Status400BadRequest];
    private static readonly int[] Named = [StatusCodes.Status404NotFound];
    private static readonly int[] Refusable = [StatusCodes.Status409Conflict];
    private static readonly int[] AnyError = [StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound, StatusCodes.Status409Conflict];

    private static readonly ApiParameter Pool = new("pool", "the backend's pool, required when several pools have the backend");
    private static readonly ApiParameter StickyPool = new("pool", "only this sticky pool; all of them if omitted");
    private static readonly ApiParameter Client = new("client", "the client id", Required: true);
    private static readonly ApiParameter Node = new("node", "only this node; the whole fleet if omitted");
    private static readonly ApiParameter After = new("after", "the next of an earlier answer, to continue after it");

    private static AdminJson Wire => AdminJson.Wire;

    public static ApiOperation[] All { get; } =
    [
        new(Get, "node", "The node's identity and state", Wire.NodeInfo),
        new(Post, "node/drain", "Accepts no new clients and closes the connections gradually", Wire.NodeDrain)
        {
            Status = StatusCodes.Status202Accepted, Body = Wire.NodeDrainRequest, BodyMayBeAbsent = true, Errors = [.. Input, .. Refusable],
        },
        new(Post, "node/resume", "Cancels a drain", Wire.Done) { Errors = Refusable },
        new(Put, "node/log-level", "Changes the log level until the next reload or restart", Wire.NodeLogLevel) { Body = Wire.NodeLogLevel, Errors = Input },
        new(Get, "config", "The configuration in force, with secrets masked and operators' additions", Wire.ConfigText),
        new(Get, "config/certificates", "Certificates, authorities and revocation lists in use", Wire.CertificateList),
        new(
            Post, "config/check", "Checks the text of a configuration without applying it", Wire.ConfigCheck,
            new ApiParameter("file", "the name used in positions and the base of relative names; the node's file if omitted"))
        {
            TextBody = "a configuration in HOCON", Errors = Refusable,
        },
        new(Post, "config/reload", "Reloads the node's file: all of it is applied, or nothing", Wire.ConfigReload) { Errors = Refusable },
        new(Get, "listeners", "The listeners", Wire.ListenerList),
        new(Post, "listeners/{listener}/pause", "Pauses a listener; open connections stay", Wire.ListenerInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "listeners/{listener}/resume", "Opens a paused listener again", Wire.ListenerInfo) { Errors = [.. Named, .. Refusable] },
        new(Get, "pools", "The pools", Wire.PoolList),
        new(Get, "pools/{pool}", "A pool's backends", Wire.PoolInfo) { Errors = Named },
        new(Post, "pools/{pool}/backends", "Adds a backend on all nodes, across reloads and restarts", Wire.BackendAdded) { Body = Wire.BackendAdd, Errors = AnyError },
        new(Delete, "backends/{backend}", "Removes a backend that was added at run time", Wire.Done, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/drain", "Sends a backend no new clients; its existing clients stay", Wire.BackendInfo, Pool)
        {
            Body = Wire.BackendDrain, BodyMayBeAbsent = true, Errors = AnyError,
        },
        new(Post, "backends/{backend}/pause", "Pauses a drain with a rate", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/resume", "Continues a paused drain", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance", "Moves sessions at a rate until the backends have their shares by weight", Wire.PoolInfo) { Body = Wire.PoolRebalance, Errors = AnyError },
        new(Delete, "pools/{pool}/rebalance", "Stops a rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance/pause", "Pauses a rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "pools/{pool}/rebalance/resume", "Continues a paused rebalance", Wire.PoolInfo) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/down", "Sends a backend no clients at all: its clients move at their next connect", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Post, "backends/{backend}/up", "Sends a backend clients again", Wire.BackendInfo, Pool) { Errors = [.. Named, .. Refusable] },
        new(Put, "backends/{backend}/weight", "Changes a backend's share of new clients", Wire.BackendInfo, Pool) { Body = Wire.BackendWeight, Errors = AnyError },
        new(Post, "backends/{backend}/flush", "Forgets all clients of a backend", Wire.StickyFlush, Pool) { Errors = [.. Named, .. Refusable] },
        new(Get, "sticky", "Which backend a client belongs to", Wire.StickyEntries, Client, StickyPool) { Errors = AnyError },
        new(Put, "sticky", "Assigns a client to a backend, from its next connect on", Wire.StickyEntries, Client, StickyPool) { Body = Wire.StickyBackend, Errors = AnyError },
        new(Delete, "sticky", "Forgets which backend a client belongs to", Wire.Done, Client, StickyPool) { Errors = AnyError },
        new(Get, "sticky/stats", "How large the sticky map is", Wire.StickyStats),
        new(
            Get, "sessions", "Connections, a page at a time", Wire.SessionPage,
            new ApiParameter("filter", $"terms separated by spaces that must all match: part of the client id, or KEY=VALUE with one of {SessionFilter.Keys}; an address may be a network"),
            new ApiParameter("limit", "maximum number of sessions", "integer") { Least = 1, Most = 1000 }, After, Node) { Errors = [.. Input, .. Named] },
        new(Get, "sessions/count", "Number of connections by state, node, listener and backend", Wire.SessionCount, Node) { Errors = Named },
        new(Get, "sessions/find", "Where a client is connected, and since when", Wire.SessionPage, Client, After, Node) { Errors = [.. Input, .. Named] },
        new(
            Get, "sessions/top", "The connections with the most traffic, or the clients with the most connects", Wire.SessionTop,
            new ApiParameter("by", "the order; bytes if omitted", "string", Required: false, "bytes", "packets", "connects"),
            new ApiParameter("limit", "how many", "integer") { Least = 1, Most = SessionWire.TopClients }, Node) { Errors = [.. Input, .. Named] },
        new(Post, "sessions/kick", "Disconnects a client, on whichever node it is", Wire.SessionKick, Client, Node) { Errors = [.. Input, .. Named] },
        new(Get, "bans", "Clients that may not connect, on all nodes", Wire.BanPage),
        new(Post, "bans", "Bans a client on all nodes and closes its connections", Wire.BanInfo) { Body = Wire.BanRequest, Errors = [.. Input, .. Refusable] },
        new(
            Delete, "bans", "Removes a ban, so that the client can connect again; give exactly one of the three", Wire.Done, new ApiParameter("client", "the banned client id"),
            new ApiParameter("username", "the banned user name"), new ApiParameter("address", "the banned address or network")) { Errors = AnyError },
        new(Get, "actors", "The actors of the control plane", Wire.ActorList),
        new(Get, "cluster", "The members of the fleet, as this node sees them", Wire.ClusterMembers),
        new(Get, "cluster/status", "This node's state in the fleet", Wire.ClusterStatus),
        new(Post, "cluster/leave", "Makes a node leave the fleet", Wire.Done) { Body = Wire.ClusterNodeRequest, BodyMayBeAbsent = true, Errors = AnyError },
        new(Post, "cluster/down", "Removes a node that does not answer", Wire.Done) { Body = Wire.ClusterNodeRequest, Errors = AnyError },
        new(
            Get, "cluster/events", "Events as they happen: one object per line, and an empty line as a keep-alive", Wire.NodeEvent,
            new ApiParameter("last", "starts with this many past events", "integer") { Least = 1, Most = EventFeed.Kept },
            new ApiParameter("follow", "false ends after those", "boolean"))
        {
            AnswerType = "application/x-ndjson", Errors = [.. Input, .. Refusable],
        },
        new(Get, StatisticsApi.StreamPath, "The fleet's statistics: an event 'snapshot' every second, and once 'history', the last 15 minutes (FleetHistory)", Wire.FleetStatistics)
        {
            AnswerType = "text/event-stream", Errors = Refusable,
        },
        new(Get, "cluster-sharding/regions", "Number of shards per node", Wire.ShardRegions),
        new(Get, "cluster-sharding/shards", "Which nodes hold which shards", Wire.ShardList, new ApiParameter("node", "only the shards of this node")) { Errors = Named },
        new(Get, "cluster-sharding/stats", "Statistics of this node's shards", Wire.ShardingStats),
        new(Post, "cluster-sharding/rebalance", "Returns how many shards are being handed over; the coordinator balances them by itself", Wire.Done),
    ];

    /// <summary>Parameters of the paths.</summary>
    public static ApiParameter[] PathParameters { get; } =
    [
        new("pool", "the pool's name", Required: true), new("backend", "HOST:PORT", Required: true), new("listener", "the listener's name", Required: true),
    ];
}
