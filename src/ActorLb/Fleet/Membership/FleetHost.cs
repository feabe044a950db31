using System.Net;
using System.Net.Sockets;
using ActorLb.Protocol.Failures;
using ActorLb.Telemetry;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Fleet.Membership;

internal enum FleetStage { Starting, Detached, Member, Leaving, Stopped }

/// <summary>A node's current state in its fleet.</summary>
/// <param name="Reason">Why it is not a member; empty if it is.</param>
/// <param name="Restarts">Number of fleet systems that ended other than by leaving.</param>
internal sealed record FleetStanding(FleetStage Stage, string Reason, ClusterMembers? Members, int Restarts)
{
    public bool IsDetached => Stage is FleetStage.Starting or FleetStage.Detached;
}

/// <summary>
/// Keeps the node in its fleet as long as the process lives: starts a fleet system, and a new one on the same port whenever it
/// ends. While there is no membership the node is detached: the map is read-only, balancing continues. Client connections are
/// never affected.
/// </summary>
internal sealed partial class FleetHost : IAsyncDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    /// <summary>A start without a membership for this long counts as detached.</summary>
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly IReadOnlyList<IFleetPart> _parts;
    private readonly EventFeed _events;
    private readonly TimeProvider _time;
    private readonly LineLimit _refusals;
    private long _refused;
    // Replaced by a rejoin, after everything of the previous membership has stopped.
    private CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private volatile FleetStanding _standing = new(FleetStage.Starting, "it has just started", null, 0);
    private FleetSystem? _system;
    private FleetSecurity? _security;
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;
    private int _port;
    private volatile bool _isLeaving;
    private volatile bool _stopsItself;

    public FleetHost(FleetSettings settings, IReadOnlyList<IFleetPart> parts, EventFeed events, TimeProvider time, ILoggerFactory loggers)
    {
        Settings = settings;
        _parts = parts;
        _events = events;
        _time = time;
        Logger = loggers.CreateLogger("ActorLb.Fleet");
        LogLimit = new LineLimit(time, lines: 2, TimeSpan.FromSeconds(30));
        _refusals = new LineLimit(time, lines: 1, TimeSpan.FromSeconds(30));
        _port = settings.Bind.Port;
    }

    public FleetSettings Settings { get; }

    public ILogger Logger { get; }

    public LineLimit LogLimit { get; }

    public FleetStanding Standing => _standing;

    /// <summary>
    /// Completes when the node has left because an operator ordered it on any node; it doesn't rejoin by itself.
    /// </summary>
    public Task Left => _left.Task;

    /// <summary>Called when <see cref="Standing"/>, or what the seeds answer, has changed; on any thread, must not block.</summary>
    public Action? Changed { private get; set; }

    /// <summary>The current fleet system; null between two.</summary>
    public FleetSystem? System => Volatile.Read(ref _system);

    /// <summary>Returns at once; the fleet forms in the background.</summary>
    /// <exception cref="IOException">The address cannot be bound, or a secret or certificate is not usable.</exception>
    public void Start()
    {
        try
        {
            _security = FleetSecurity.Load(Settings);
            using var probe = new Socket(Settings.Bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, optionValue: true);
            probe.Bind(Settings.Bind);
        }
        catch (InvalidOperationException e)
        {
            throw new IOException($"cluster: {e.Message}", e);
        }
        catch (SocketException e)
        {
            throw new IOException($"cluster.bind {Settings.Bind}: {FailureText.Describe(e)}", e);
        }
        _running = Task.Run(RunAsync);
    }

    /// <summary>Joins again after <see cref="LeaveAsync"/> has ended. Does nothing if the node has not left.</summary>
    public void Rejoin()
    {
        lock (_gate)
        {
            if (_standing.Stage != FleetStage.Stopped) return;
            _stop.Dispose();
            _stop = new CancellationTokenSource();
            _isLeaving = _stopsItself = false;
            _standing = _standing with { Stage = FleetStage.Starting, Reason = "it is rejoining" };
        }
        _running = Task.Run(RunAsync);
    }

    /// <summary>
    /// Applies a renewed certificate of this node by starting another fleet system, because it is fixed for each system. A bad
    /// certificate changes nothing.
    /// </summary>
    /// <returns>Null if done, else why not.</returns>
    public string? RenewCertificate()
    {
        try
        {
            var renewed = FleetSecurity.Load(Settings);
            lock (_gate)
            {
                if (renewed.Own is null || renewed.Own.RawDataMemory.Span.SequenceEqual(_security!.Own!.RawDataMemory.Span))
                {
                    renewed.Dispose();
                    return null;
                }
                _security = renewed;
            }
            Restart("its certificate was renewed");
            return null;
        }
        catch (InvalidOperationException e)
        {
            return e.Message;
        }
    }

    /// <summary>The node is leaving; an operator may have ordered it through another node.</summary>
    public void OnLeaving(FleetSystem system)
    {
        lock (_gate)
        {
            if (_system != system || _isLeaving) return;
            _isLeaving = true;
            _standing = _standing with { Stage = FleetStage.Leaving, Reason = "it is leaving" };
        }
    }

    public void Restart(string reason) => System?.End(reason);

    /// <summary>Hands over the shards, leaves the fleet and stops. <see cref="Rejoin"/> makes the node a member again.</summary>
    /// <param name="patience">After this time the rest of the leave is skipped.</param>
    public async Task LeaveAsync(TimeSpan patience)
    {
        FleetSystem? system;
        _stopsItself = true;
        lock (_gate) system = _standing.Stage is FleetStage.Member or FleetStage.Leaving ? _system : null;
        if (system is not null)
        {
            OnLeaving(system);
            await Task.WhenAny(system.LeaveAsync(), Task.Delay(patience, _time)).ConfigureAwait(false);
        }
        await StopAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _stop.Dispose();
        _security?.Dispose();
    }

    public void Report(string kind, string text)
    {
        Log.Event(Logger, text);
        _events.Publish(kind, text);
    }

    /// <summary>The number of refused handshakes and greetings, in both directions.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    public void Refuse(string who, string reason)
    {
        Interlocked.Increment(ref _refused);
        if (!_refusals.TryTake($"{who}: {reason}", out int more)) return;
        Log.Refused(Logger, who, reason, more == 0 ? "" : $" ({more} more times)");
        _events.Publish("fleet_refused", $"{who} is refused: {reason}");
    }

    /// <param name="peer">As Akka formats it: the end point of an inbound connection, or the address that was dialled.</param>
    public void RefuseCertificate(string peer, string reason)
    {
        // The ephemeral port means nothing, and would defeat the rate limit.
        bool isInbound = IPEndPoint.TryParse(peer, out var from);
        Refuse(isInbound ? (from!.Address.IsIPv4MappedToIPv6 ? from.Address.MapToIPv4() : from.Address).ToString() : peer[(peer.IndexOf('@') + 1)..], reason);
    }

    /// <summary>Called by the fleet system's <see cref="MembersActor"/>.</summary>
    public void Publish(FleetSystem system, ClusterMembers members)
    {
        lock (_gate)
        {
            // A late message of an ended system must not undo its end.
            if (_system != system || system.Ended.IsCompleted) return;
            var stage = _standing.Stage == FleetStage.Leaving ? FleetStage.Leaving : FleetStage.Member;
            if (_standing.IsDetached) Report("fleet_member", $"is a member of the fleet, one of {members.All.Length}");
            _standing = _standing with { Stage = stage, Reason = "", Members = members };
            foreach (var part in _parts) part.SetMembers(members);
        }
        Changed?.Invoke();
    }

    public void OnSeedsAnswered() => Changed?.Invoke();

    private async Task StopAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        System?.End("the node stops");
        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        var pause = FirstPause;
        while (!_stop.IsCancellationRequested && !_isLeaving)
        {
            long start = _time.GetTimestamp();
            try
            {
                await RunOnceAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                Detach($"the fleet system failed to start: {Innermost(e).Message}");
            }
            // Back off if systems keep ending soon after their start.
            pause = _time.GetElapsedTime(start) > LongestPause ? FirstPause : pause + pause < LongestPause ? pause + pause : LongestPause;
            await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_isLeaving && !_stopsItself && !_stop.IsCancellationRequested) _left.TrySetResult();
        lock (_gate) _standing = _standing with { Stage = FleetStage.Stopped, Reason = _isLeaving ? "it has left" : "it has stopped", Members = null };
    }

    private async Task RunOnceAsync()
    {
        var system = FleetSystem.Create(this, _port, _security!, _parts.Select(p => p.Configuration), _time);
        try
        {
            if (Settings.Bind.Port == 0) _port = system.Port;
            lock (_gate) _system = system;
            if (_stop.IsCancellationRequested) return;
            system.Start(_parts);
            await Task.WhenAny(system.Ended, Task.Delay(StartPatience, _time, _stop.Token)).ConfigureAwait(false);
            if (!system.Ended.IsCompleted) Detach(system.Missing, only: FleetStage.Starting);
            string reason = await system.Ended.ConfigureAwait(false);
            if (_isLeaving || _stop.IsCancellationRequested) return;
            Detach(reason, restarts: 1);
            if (system.HasLeft) _isLeaving = true;
        }
        finally
        {
            lock (_gate) _system = null;
            foreach (var part in _parts) part.SetMembers(null);
            // Terminate without a coordinated leave: the other members have already removed this system, or must detect that it
            // is gone.
            await Task.WhenAny(system.System.Terminate(), Task.Delay(StopPatience, _time)).ConfigureAwait(false);
        }
    }

    /// <param name="only">Does nothing at any other stage.</param>
    private void Detach(string reason, int restarts = 0, FleetStage? only = null)
    {
        lock (_gate)
        {
            if (only is { } stage && _standing.Stage != stage) return;
            bool isNews = _standing.Stage != FleetStage.Detached || _standing.Reason != reason;
            _standing = new FleetStanding(FleetStage.Detached, reason, null, _standing.Restarts + restarts);
            if (!isNews) return;
        }
        Changed?.Invoke();
        Log.Detached(Logger, reason);
        _events.Publish("fleet_detached", $"is detached from the fleet: {reason}");
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private static partial class Log
    {
        [LoggerMessage(3511, LogLevel.Information, "fleet: {Text}")]
        public static partial void Event(ILogger logger, string text);

        [LoggerMessage(3512, LogLevel.Warning, "fleet: DETACHED, continuing with what this node knows: {Reason}")]
        public static partial void Detached(ILogger logger, string reason);

        [LoggerMessage(3513, LogLevel.Warning, "fleet: {Who} is refused: {Reason}{More}")]
        public static partial void Refused(ILogger logger, string who, string reason, string more);
    }
}
