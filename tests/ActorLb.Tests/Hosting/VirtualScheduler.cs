using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit;

namespace ActorLb.Tests.Hosting;

/// <summary>
/// Akka.TestKit's scheduler, usable while actors run on other threads: by itself it loses what is scheduled for a time that an advance
/// reaches at the same moment.
/// </summary>
internal sealed class VirtualScheduler(Config config, ILoggingAdapter log) : TestScheduler(config, log), ITellScheduler, IScheduler
{
    private readonly Lock _gate = new();

    public new void Advance(TimeSpan by)
    {
        lock (_gate) base.Advance(by);
    }

    void ITellScheduler.ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender)
    {
        lock (_gate) ScheduleTellOnce(delay, receiver, message, sender);
    }

    void ITellScheduler.ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable)
    {
        lock (_gate) ScheduleTellOnce(delay, receiver, message, sender, cancelable);
    }

    void ITellScheduler.ScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender)
    {
        lock (_gate) ScheduleTellRepeatedly(initialDelay, interval, receiver, message, sender);
    }

    void ITellScheduler.ScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable)
    {
        lock (_gate) ScheduleTellRepeatedly(initialDelay, interval, receiver, message, sender, cancelable);
    }
}
