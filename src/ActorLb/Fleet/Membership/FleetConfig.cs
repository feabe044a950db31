using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;
using Akka.Configuration;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Akka's configuration of a fleet system. The figures were measured on a busy machine of two cores: with them a killed member is
/// unreachable after 2.3 s and removed after 4.8 s, and three idle members take about 2 % of a core and 350 kB/s of garbage each.
/// </summary>
internal static class FleetConfig
{
    /// <summary>All fleets have it, so that nodes of another one can be told apart and told off; see <see cref="Hello"/>.</summary>
    public const string SystemName = "actorlb";

    public const string NameRole = "name:";
    public const string ZoneRole = "zone:";

    /// <summary>A member that is to be suspected within the standard <c>down-after</c>.</summary>
    private static readonly TimeSpan StandardDownAfter = TimeSpan.FromSeconds(5);

    /// <param name="port">What an earlier system of this process was bound to, else that of the settings.</param>
    /// <param name="isSecured">The peers speak TLS; the certificates come by a setup and not from here.</param>
    /// <param name="parts">HOCON of what lives on the system.</param>
    /// <exception cref="ConfigurationException">The user's block cannot be what it is meant to be.</exception>
    public static Config Build(FleetSettings settings, int port, bool isSecured, IEnumerable<string> parts)
    {
        Config result = ConfigurationFactory.ParseString(Base);
        result = ConfigurationFactory.ParseString(Timing(settings.DownAfter)).WithFallback(result);
        result = ConfigurationFactory.ParseString(Own(settings, port, isSecured)).WithFallback(result);
        foreach (string part in parts) result = ConfigurationFactory.ParseString(part).WithFallback(result);
        return settings.Akka.Length == 0 ? result : ConfigurationFactory.ParseString(settings.Akka).WithFallback(result);
    }

    /// <summary>The host that the other members are told.</summary>
    public static string PublicHost(FleetSettings settings) =>
        settings.Advertise?.Host ?? (IsAny(settings.Bind.Address) ? Dns.GetHostName() : settings.Bind.Address.ToString());

    public static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string Own(FleetSettings settings, int port, bool isSecured)
    {
        string[] roles = [NameRole + settings.Node, .. settings.Zone is { } zone ? [ZoneRole + zone] : Array.Empty<string>()];
        string host = PublicHost(settings);
        bool isIpv6 = IPAddress.TryParse(host, out IPAddress? address)
            ? address.AddressFamily == AddressFamily.InterNetworkV6
            : settings.Bind.AddressFamily == AddressFamily.InterNetworkV6;
        return string.Create(CultureInfo.InvariantCulture, $$"""
            akka {
              remote.dot-netty.tcp {
                hostname = {{HoconPath.QuoteText(settings.Bind.Address.ToString())}}
                port = {{port}}
                public-hostname = {{HoconPath.QuoteText(host)}}
                public-port = {{settings.Advertise?.Port ?? 0}}
                dns-use-ipv6 = {{(isIpv6 ? "on" : "off")}}
                enable-ssl = {{(isSecured ? "on" : "off")}}
              }
              cluster {
                roles = [{{string.Join(", ", roles.Select(HoconPath.QuoteText))}}]
                split-brain-resolver.active-strategy = {{(settings.WhenSplit == SplitRule.Oldest ? "keep-oldest" : "keep-majority")}}
              }
            }
            """);
    }

    /// <summary>A member from which no heartbeat has come for so long is asked about: three of them, well before it is suspected.</summary>
    public static TimeSpan QuietAfter(TimeSpan downAfter) => TimeSpan.FromMilliseconds(750) * (downAfter / StandardDownAfter);

    /// <summary>A member from which no heartbeat has come for so long is not sent lookups: as long as the failure detector takes.</summary>
    public static TimeSpan DeafAfter(TimeSpan downAfter) => TimeSpan.FromMilliseconds(1750) * (downAfter / StandardDownAfter);

    private static string Timing(TimeSpan downAfter)
    {
        double scale = downAfter / StandardDownAfter;
        string Scaled(double milliseconds) => string.Create(CultureInfo.InvariantCulture, $"{milliseconds * scale:F0}ms");
        return $$"""
            akka.cluster {
              failure-detector {
                heartbeat-interval = {{Scaled(250)}}
                expected-response-after = {{Scaled(250)}}
                acceptable-heartbeat-pause = {{Scaled(1500)}}
                min-std-deviation = {{Scaled(100)}}
                implementation-class = "ActorLb.Fleet.Membership.WitnessedFailureDetector, ActorLb.Engine"
                vouch-valid-for = {{Scaled(1000)}}
              }
              split-brain-resolver { stable-after = {{Scaled(2000)}}, down-all-when-unstable = {{Scaled(10_000)}} }
            }
            """;
    }

    private const string Base = """
        akka {
          loggers = []
          loglevel = WARNING
          stdout-loglevel = OFF
          log-dead-letters = off
          # The process stops its systems itself: no hook on its exit, and no orderly leave of a system that was thrown out.
          coordinated-shutdown {
            exit-clr = off, run-by-clr-shutdown-hook = off, run-by-actor-system-terminate = off
            phases { before-service-unbind.timeout = 3650d, cluster-sharding-shutdown-region.timeout = 5s, cluster-exiting.timeout = 5s, actor-system-terminate.timeout = 5s }
          }
          # An idle system wakes up for each tick; nothing here is due to the millisecond.
          scheduler.tick-duration = 100ms
          actor {
            provider = cluster
            guardian-supervisor-strategy = "ActorLb.Supervision.TopStrategy, ActorLb.Engine"
            # Whatever is not listed is refused. Both of these take what a peer sends for a description of objects to make.
            serializers {
              json = "ActorLb.Fleet.Membership.RefusingJsonSerializer, ActorLb.Engine"
              daemon-create = "ActorLb.Fleet.Membership.RefusingDeploymentSerializer, ActorLb.Engine"
              actorlb = "ActorLb.Fleet.Membership.FleetSerializer, ActorLb.Engine"
            }
            serialization-identifiers {
              "ActorLb.Fleet.Membership.RefusingJsonSerializer, ActorLb.Engine" = 1
              "ActorLb.Fleet.Membership.RefusingDeploymentSerializer, ActorLb.Engine" = 3
              "ActorLb.Fleet.Membership.FleetSerializer, ActorLb.Engine" = 101
            }
            serialization-bindings {
              "ActorLb.Fleet.Membership.Hello, ActorLb.Engine" = actorlb
              "ActorLb.Fleet.Membership.DoYouHear, ActorLb.Engine" = actorlb
              "ActorLb.Fleet.Membership.YesIHear, ActorLb.Engine" = actorlb
            }
            serialization-settings.allow-unregistered-types = off
          }
          remote {
            log-remote-lifecycle-events = off
            # A connection that says nothing, or does not end its TLS handshake, is closed after this time.
            handshake-timeout = 5s
            retry-gate-closed-for = 500ms
            # Each member writes on the connection that it dialled. Two that dial each other at once may otherwise settle on one that
            # neither reads: when the other one's handshake fails, what is written on it is lost without a word.
            use-passive-connections = off
            # What a peer says right behind its TLS handshake is sometimes held back until it says more. This is what it says next; within
            # the time that a handshake has.
            transport-failure-detector.heartbeat-interval = 1s
            flush-wait-on-shutdown = 200ms
            shutdown-timeout = 3s
            watch-failure-detector { heartbeat-interval = 500ms, acceptable-heartbeat-pause = 3s }
            dot-netty.tcp { connection-timeout = 3s, maximum-frame-size = 256KiB }
          }
          cluster {
            scheduler.tick-duration = 100ms
            log-info = off
            # The process decides when it joins and whom; see Formation.
            seed-nodes = []
            retry-unsuccessful-join-after = 1s
            allow-weakly-up-members = off
            # The process stops the system itself when it was thrown out, and starts another.
            run-coordinated-shutdown-when-down = off
            # 0 would mean off, and that stable-after passes once more.
            down-removal-margin = 1ms
            gossip-interval = 200ms
            leader-actions-interval = 200ms
            periodic-tasks-initial-delay = 200ms
            unreachable-nodes-reaper-interval = 200ms
            singleton { hand-over-retry-interval = 200ms, min-number-of-hand-over-retries = 20 }
            distributed-data { gossip-interval = 1s, notify-subscribers-interval = 50ms }
            sharding {
              state-store-mode = ddata
              remember-entities = off
              passivate-idle-entity-after = off
              retry-interval = 200ms
              rebalance-interval = 1s
              handoff-timeout = 10s
              shard-start-timeout = 2s
              shard-failure-backoff = 1s
              entity-restart-backoff = 1s
              coordinator-failure-backoff = 500ms
              waiting-for-state-timeout = 500ms
              updating-state-timeout = 1s
              coordinator-state { write-majority-plus = 0, read-majority-plus = 0 }
              distributed-data {
                # The coordinator reads and writes with a majority. Gossip would only repeat what all have: the digests of its state differ
                # from node to node, so that each round sends the whole of it (3.3 MB/s of garbage for three nodes at 200 ms).
                gossip-interval = 5s
                notify-subscribers-interval = 50ms
                durable.keys = []
              }
            }
          }
        }
        """;
}
