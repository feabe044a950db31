using ActorLb.Supervision;
using ActorLb.Tls;
using Akka.Actor;

namespace ActorLb.Hosting;

/// <summary>
/// Has the certificates looked after, one look after the other. The looks are off the actor: they read files, and wait for a
/// configuration that is being applied. What they know is kept by the watch, so that a restart forgets nothing.
/// </summary>
internal sealed class CertificateActor : SupervisedActor
{
    private readonly CertificateWatch _watch;
    private bool _isLooking;
    private bool _isStopping;

    public CertificateActor(CertificateWatch watch) => _watch = watch;

    /// <summary>Stops after the look under way.</summary>
    public sealed record Stop
    {
        public static readonly Stop Instance = new();
    }

    private sealed record Look
    {
        public static readonly Look Instance = new();
    }

    private sealed record Looked
    {
        public static readonly Looked Instance = new();
    }

    protected override void Begin() => Self.Tell(Look.Instance);

    protected override bool On(object message)
    {
        switch (message)
        {
            case Look:
                OnLook();
                return true;
            case Looked:
                OnLooked();
                return true;
            case Stop:
                OnStop();
                return true;
            default:
                return false;
        }
    }

    private void OnLook()
    {
        if (_isLooking) return;
        _isLooking = true;
        _ = Task.Run(_watch.TryLookAsync).PipeTo(Self, success: () => Looked.Instance);
    }

    private void OnLooked()
    {
        _isLooking = false;
        if (_isStopping) Context.Stop(Self);
        else Timers.StartSingleTimer(Look.Instance, Look.Instance, CertificateWatch.Period);
    }

    private void OnStop()
    {
        _isStopping = true;
        if (!_isLooking) Context.Stop(Self);
    }
}
