using Akka.Configuration;
using Akka.Dispatch;

namespace ActorLb.Proxying.Streams;

/// <summary>The reactors of a system of actors, for its dispatchers to find.</summary>
internal sealed class StreamsSetup(IReadOnlyList<StreamsReactor> reactors) : Akka.Actor.Setup.Setup
{
    public IReadOnlyList<StreamsReactor> Reactors { get; } = reactors;
}

/// <summary>Akka makes it by its name, from a dispatcher's settings: has a reactor run the dispatcher's actors.</summary>
internal sealed class SerialExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    public override ExecutorService Produce(string id) =>
        new SerialExecutor(id, Prerequisites.Settings.Setup.Get<StreamsSetup>().Value.Reactors[Config.GetInt("reactor")]);

    private sealed class SerialExecutor(string id, StreamsReactor reactor) : ExecutorService(id)
    {
        public override void Execute(IRunnable run) => reactor.Enqueue(run);

        public override void Shutdown()
        {
        }
    }
}
