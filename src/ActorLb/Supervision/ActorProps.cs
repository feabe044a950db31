using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>
/// Props whose actor is made by a delegate, called again at each restart: no expression to compile and no constructor to find by
/// reflection while a node starts.
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
            // Nothing beyond the actor itself was made.
        }
    }
}
