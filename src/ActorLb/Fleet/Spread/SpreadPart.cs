using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;
using ActorLb.Fleet.Membership;
using Akka.Actor;

namespace ActorLb.Fleet.Spread;

/// <summary>Runs the spread state and the counts on each fleet system.</summary>
/// <param name="collect">
/// Returns this node's connection counts and health verdicts, complete. Called four times a second; must not block.
/// </param>
/// <param name="summed">Receives the fleet's sums on any thread; must not block.</param>
internal sealed class SpreadPart(
    SpreadState state, FleetCounts counts, Func<ImmutableArray<BackendReport>> collect, Action<FleetReport> summed) : IFleetPart
{
    public string Configuration => $$"""
        akka {
          actor {
            serializers.actorlb-spread = "{{NameOf(typeof(SpreadSerializer))}}"
            serialization-bindings {
              "{{NameOf(typeof(ReplicatedRegisters))}}" = actorlb-spread
              "{{NameOf(typeof(CountsMessage))}}" = actorlb-spread
            }
          }
          cluster.distributed-data.durable {
            keys = ["{{SpreadState.BackendsKey}}", "{{SpreadState.KeysKey}}", "{{SpreadState.OrdersKey}}"]
            store-actor-class = "{{NameOf(typeof(DurableFiles))}}"
            {{DurableFiles.FolderSetting}} = {{HoconPath.QuoteText(state.Folder)}}
          }
        }
        """;

    public void Start(FleetSystem system)
    {
        system.System.ActorOf(SpreadActor.Props(state), SpreadActor.Name);
        system.System.ActorOf(CountsActor.Props(counts, collect, summed), CountsActor.Name);
    }

    public void SetMembers(ClusterMembers? members)
    {
        if (members is null) summed(counts.Sum(ImmutableHashSet<long>.Empty));
    }

    private static string NameOf(Type type) => $"{type.FullName}, {type.Assembly.GetName().Name}";
}
