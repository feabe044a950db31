using ActorLb.Telemetry;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin;

/// <summary>
/// The connections of the admin endpoint: a bounded number, and a new one always finds room. The connection that makes it is the one
/// that does least for longest, in the order of <see cref="Use"/>. So a probe's question is answered whoever holds the endpoint: it needs its place for a moment only.
/// </summary>
/// <param name="most">Places.</param>
internal sealed partial class ConnectionPlaces(int most, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly LogLimit _lines = new(logger, time);
    private readonly Lock _gate = new();
    private readonly List<Place> _places = [];
    private long _closed;

    /// <summary>What a connection is doing; the first is the first to make room.</summary>
    public enum Use
    {
        /// <summary>No request is under way: none came, half of one came, or the last one is answered.</summary>
        Silent,

        /// <summary>A request waits for its turn.</summary>
        Waiting,

        /// <summary>An answer is made or sent.</summary>
        Answer,

        /// <summary>Something is being changed.</summary>
        Change,

        /// <summary>Events are sent as they come.</summary>
        Stream,
        Health,
    }

    public int Count
    {
        get
        {
            lock (_gate) return _places.Count;
        }
    }

    private long Now => time.GetTimestamp();

    /// <summary>Connections closed to make room.</summary>
    public long Closed => Interlocked.Read(ref _closed);

    /// <summary>Holds a place for a connection as long as it lasts.</summary>
    public async Task HoldAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var place = new Place(this, connection);
        connection.Features.Set(place);
        Enter(place);
        try
        {
            await next(connection);
        }
        finally
        {
            lock (_gate) _places.Remove(place);
        }
    }

    /// <summary>Holds for the time of a request what its connection is doing.</summary>
    public static async Task UseAsync(HttpContext context, Use use, RequestDelegate next)
    {
        if (context.Features.Get<Place>() is not { } place)
        {
            await next(context);
            return;
        }
        place.Change(use);
        try
        {
            await next(context);
        }
        finally
        {
            place.Change(Use.Silent);
        }
    }

    /// <summary>Closes the connection whose answer has been under way for longest; false when there is none.</summary>
    public bool CloseSlowestAnswer()
    {
        lock (_gate) return CloseFirst(Use.Answer, Use.Answer);
    }

    public void Dispose() => _lines.Dispose();

    private void Enter(Place place)
    {
        lock (_gate)
        {
            place.Since = Now;
            if (_places.Count >= most) MakeRoom();
            _places.Add(place);
        }
    }

    /// <summary>Requests under way keep their places against any flood of connections, but half of the places are for those that are to
    /// bring one: otherwise, with all others busy, each newcomer would push out the one before it.</summary>
    private void MakeRoom()
    {
        int silent = _places.Count(p => p.Use == Use.Silent);
        bool done = silent >= most / 2 ? CloseFirst(Use.Silent, Use.Silent) : CloseFirst(Use.Waiting, Use.Stream);
        if (!done) CloseFirst(Use.Silent, Use.Health);
    }

    private bool CloseFirst(Use from, Use to)
    {
        Place? first = null;
        foreach (Place place in _places)
        {
            if (place.Use < from || place.Use > to) continue;
            if (first is null || place.Use < first.Use || (place.Use == first.Use && place.Since < first.Since)) first = place;
        }
        if (first is null) return false;
        // Its place is free at once; what holds it ends in a moment.
        _places.Remove(first);
        Interlocked.Increment(ref _closed);
        first.Connection.Abort(new ConnectionAbortedException("closed to make room"));
        if (_lines.Admits(LogLevel.Warning, "admin", "endpoint", "a connection was closed to make room")) Log.Crowded(logger, most);
        return true;
    }

    /// <summary>Of one connection.</summary>
    public sealed class Place(ConnectionPlaces all, ConnectionContext connection)
    {
        public ConnectionContext Connection { get; } = connection;

        public Use Use { get; private set; }

        public long Since { get; set; }

        public void Change(Use use)
        {
            lock (all._gate)
            {
                Use = use;
                Since = all.Now;
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3021, LogLevel.Warning, "the {Most} places of the admin endpoint are taken: a connection that was silent or slow was closed to make room")]
        public static partial void Crowded(ILogger logger, int most);
    }
}
