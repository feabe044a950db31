using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Akka's failure detector for one member, which also trusts other members' reports about it: see <see cref="Witnesses"/>.
/// </summary>
/// <param name="config">The settings of <see cref="PhiAccrualFailureDetector"/> and <c>vouch-valid-for</c>.</param>
/// <param name="system">The fleet system's event stream.</param>
internal sealed class WitnessedFailureDetector(Config config, EventStream system) : PhiAccrualFailureDetector(config, system)
{
    private readonly Witnesses _witnesses = Witnesses.Of(system);
    private readonly TimeSpan _valid = config.GetTimeSpan("vouch-valid-for");

    public override bool IsAvailable => base.IsAvailable || _witnesses.IsVouchedFor(Address, _valid);

    public override void HeartBeat()
    {
        base.HeartBeat();
        _witnesses.Hear(Address);
    }
}
