using ActorLb.Telemetry;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ActorLb.Server.Admin;

/// <summary>
/// The connections of the admin endpoint: their number is limited, yet a new one always finds a place. The connection closed for it is the
/// least useful and longest idle one, in the order of <see cref="Use"/>. So a probe is answered even when other clients occupy the
/// endpoint: it needs its place only briefly.
/// </summary>
/// <param name="most">Number of places.</param>
internal sealed partial class ConnectionPlaces(int most, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly LogLimit _lines = new(logger, time);
    private readonly Lock _gate = new();
    private readonly List<Place> _places = [];
    private long _closed;

    /// <summary>What a connection is doing; the first value is closed first.</summary>
    public enum Use
    {
        /// <summary>No request is in progress: none has arrived, only part of one, or the last one is answered.</summary>
        Silent,

        /// <summary>A request is waiting for its turn.</summary>
        Waiting,

        /// <summary>A response is being built or sent.</summary>
        Answer,

        /// <summary>A change is being made.</summary>
        Change,

        /// <summary>Events are streamed.</summary>
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

    /// <summary>Connections closed to free a place.</summary>
    public long Closed => Interlocked.Read(ref _closed);

    /// <summary>Holds a place for a connection for as long as it lasts.</summary>
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

    /// <summary>Records what the connection is doing for the duration of a request.</summary>
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

    /// <summary>Closes the connection whose response has taken longest; false when there is none.</summary>
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

    /// <summary>Connections with a request keep their places against any flood of new ones, but half of the places are for connections that
    /// have yet to send one: otherwise, with all others busy, each new connection would push out the previous one.</summary>
    private void MakeRoom()
    {
        int silent = _places.Count(p => p.Use == Use.Silent);
        bool done = silent >= most / 2 ? CloseFirst(Use.Silent, Use.Silent) : CloseFirst(Use.Waiting, Use.Stream);
        if (!done) CloseFirst(Use.Silent, Use.Health);
    }

    private bool CloseFirst(Use from, Use to)
    {
        Place? first = null;
        foreach (var place in _places)
        {
            if (place.Use < from || place.Use > to) continue;
            if (first is null || place.Use < first.Use || (place.Use == first.Use && place.Since < first.Since)) first = place;
        }
        if (first is null) return false;
        // Its place is free at once; the connection itself closes a moment later.
        _places.Remove(first);
        Interlocked.Increment(ref _closed);
        first.Connection.Abort(new ConnectionAbortedException("closed to free a place"));
        if (_lines.Admits(LogLevel.Warning, "admin", "endpoint", "a connection was closed to free a place")) Log.Crowded(logger, most);
        return true;
    }

    /// <summary>The state of one connection.</summary>
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
        [LoggerMessage(3021, LogLevel.Warning, "all {Most} places of the admin endpoint were taken: a silent or slow connection was closed to free one")]
        public static partial void Crowded(ILogger logger, int most);
    }
}
