using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Health;

/// <summary>What a pool's actor keeps about a backend. After a restart it continues from the verdict that the backend itself holds.</summary>
internal sealed partial class BackendWatch(string pool, Backend backend, IActorRef actor, ILogger logger)
{
    private HealthTrack _track = new(backend.Health, 0);

    // It was found to be this node itself, and that was logged.
    private bool _isItself;

    public Backend Backend { get; } = backend;

    public IActorRef Actor { get; } = actor;

    /// <summary>The probe order in force; null before the first.</summary>
    public ProbeOrder? Order { get; set; }

    /// <summary>The last warning about the name.</summary>
    public string? ResolveProblem { get; set; }

    public bool IsLiteral { get; } = IPAddress.TryParse(backend.Address.Host, out _);

    /// <summary>Applies a conclusive probe to the backend, and logs a change of the verdict.</summary>
    /// <returns>Whether the verdict has changed.</returns>
    public bool Judge(ProbeResult result, HealthOptions health)
    {
        var before = _track;
        _track = before.Next(result.Alive, health.Rise, health.Fall, result.Refused);
        Backend.ReportProbe(new ProbeReport(
            result.Alive, result.Refused, _track.Failures, result.Began, HealthProbes.ProvesClients(health, Backend)));

        // The backend may already be down for what looked like another reason.
        bool foundItself = result.IsItself && !_isItself;
        _isItself = (_isItself || result.IsItself) && !result.Alive;
        if (_track.State == before.State && !foundItself)
        {
            return false;
        }

        Backend.SetHealth(_track.State, result.Reason);
        if (foundItself)
        {
            Log.Itself(logger, pool, Backend.Id, result.Reason);
        }
        else if (_track.State == HealthState.Down)
        {
            Log.HealthDown(logger, pool, Backend.Id, result.Reason);
        }
        else if (before.State == HealthState.Down)
        {
            Log.HealthUp(logger, pool, Backend.Id);
        }

        return true;
    }

    /// <summary>The backend is no longer probed: its health is unknown.</summary>
    public void Forget()
    {
        _track = default;
        Backend.SetHealth(HealthState.Unknown, reason: null);
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Warning, "pool {Pool}: backend {Backend} is down: {Reason}")]
        public static partial void HealthDown(ILogger logger, string pool, string backend, string? reason);

        [LoggerMessage(2002, LogLevel.Information, "pool {Pool}: backend {Backend} is up again")]
        public static partial void HealthUp(ILogger logger, string pool, string backend);

        [LoggerMessage(2012, LogLevel.Error, "pool {Pool}: backend {Backend} {Reason}; it gets no clients, since each would come back as a new one")]
        public static partial void Itself(ILogger logger, string pool, string backend, string? reason);
    }
}
