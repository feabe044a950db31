using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>
/// Props that create the actor with a delegate, called again at each restart. Avoids compiling an expression and finding a
/// constructor by reflection while a node starts.
/// </summary>
internal static class ActorProps
{
    public static Props Of<T>(Func<T> create)
        where T : ActorBase => Props.CreateBy(new Producer<T>(create));

    private sealed class Producer<T>(Func<T> create) : IIndirectActorProducer
        where T : ActorBase
    {
        public Type ActorType => typeof(T);

        public ActorBase Produce() => create();

        public void Release(ActorBase actor)
        {
            // There is nothing else to release.
        }
    }
}
