using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;
using Akka.Configuration;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// Akka's configuration of a fleet system. Measured with these values on a busy machine with two cores: a killed member is
/// unreachable after 2.3 s and removed after 4.8 s; three idle members use about 2 % of a core and allocate 350 kB/s each.
/// </summary>
internal static class FleetConfig
{
    /// <summary>
    /// The same for all fleets, so that nodes of different fleets can exchange a <see cref="Hello"/> and report why they don't
    /// join.
    /// </summary>
    public const string SystemName = "actorlb";

    public const string NameRole = "name:";
    public const string ZoneRole = "zone:";

    /// <summary>The <c>down-after</c> for which the timings below were measured; other values scale them.</summary>
    private static readonly TimeSpan StandardDownAfter = TimeSpan.FromSeconds(5);

    /// <param name="port">The port of this process's previous system, else that of the settings.</param>
    /// <param name="isSecured">Members use TLS; the certificates are passed separately.</param>
    /// <param name="parts">HOCON of the parts that run on the system.</param>
    /// <exception cref="ConfigurationException">The user's <c>akka</c> block is invalid.</exception>
    public static Config Build(FleetSettings settings, int port, bool isSecured, IEnumerable<string> parts)
    {
        var result = ConfigurationFactory.ParseString(Base);
        result = ConfigurationFactory.ParseString(Timing(settings.DownAfter)).WithFallback(result);
        result = ConfigurationFactory.ParseString(Own(settings, port, isSecured)).WithFallback(result);
        foreach (string part in parts) result = ConfigurationFactory.ParseString(part).WithFallback(result);
        return settings.Akka.Length == 0 ? result : ConfigurationFactory.ParseString(settings.Akka).WithFallback(result);
    }

    /// <summary>The host that other members use.</summary>
    public static string PublicHost(FleetSettings settings) =>
        settings.Advertise?.Host ?? (IsAny(settings.Bind.Address) ? Dns.GetHostName() : settings.Bind.Address.ToString());

    public static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string Own(FleetSettings settings, int port, bool isSecured)
    {
        string[] roles = [NameRole + settings.Node, .. settings.Zone is { } zone ? [ZoneRole + zone] : Array.Empty<string>()];
        string host = PublicHost(settings);
        bool isIpv6 = IPAddress.TryParse(host, out var address)
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

    /// <summary>
    /// After this time without a heartbeat (three are missing) other members are asked about a member, well before it is
    /// suspected.
    /// </summary>
    public static TimeSpan QuietAfter(TimeSpan downAfter) => TimeSpan.FromMilliseconds(750) * (downAfter / StandardDownAfter);

    /// <summary>After this time without a heartbeat a member gets no more lookups; the failure detector takes as long.</summary>
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
          # The process stops its systems itself: no exit hook, and no coordinated leave for a system that was removed.
          coordinated-shutdown {
            exit-clr = off, run-by-clr-shutdown-hook = off, run-by-actor-system-terminate = off
            phases { before-service-unbind.timeout = 3650d, cluster-sharding-shutdown-region.timeout = 5s, cluster-exiting.timeout = 5s, actor-system-terminate.timeout = 5s }
          }
          # An idle system wakes up at each tick; nothing here needs millisecond precision.
          scheduler.tick-duration = 100ms
          actor {
            provider = cluster
            guardian-supervisor-strategy = "ActorLb.Supervision.TopStrategy, ActorLb.Engine"
            # Types that are not listed are refused. These two would instantiate whatever objects a peer describes.
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
              "ActorLb.Fleet.Membership.HeartbeatQuestion, ActorLb.Engine" = actorlb
              "ActorLb.Fleet.Membership.HeartbeatConfirmation, ActorLb.Engine" = actorlb
            }
            serialization-settings.allow-unregistered-types = off
          }
          remote {
            log-remote-lifecycle-events = off
            # A connection that is silent or does not complete its TLS handshake is closed after this time.
            handshake-timeout = 5s
            retry-gate-closed-for = 500ms
            # Each member writes on the connection that it dialled. Two members that dial each other at once could settle on one that
            # neither reads: if the other's handshake fails, data written on it is lost silently.
            use-passive-connections = off
            # Data sent right after the TLS handshake is sometimes held back until more follows. This heartbeat follows, within the
            # handshake's time limit.
            transport-failure-detector.heartbeat-interval = 1s
            flush-wait-on-shutdown = 200ms
            shutdown-timeout = 3s
            watch-failure-detector { heartbeat-interval = 500ms, acceptable-heartbeat-pause = 3s }
            dot-netty.tcp { connection-timeout = 3s, maximum-frame-size = 256KiB }
          }
          cluster {
            scheduler.tick-duration = 100ms
            log-info = off
            # The process decides when and whom to join; see Formation.
            seed-nodes = []
            retry-unsuccessful-join-after = 1s
            allow-weakly-up-members = off
            # When the system is removed, the process stops it and starts another.
            run-coordinated-shutdown-when-down = off
            # 0 would mean off, which waits for stable-after once more.
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
                # The coordinator reads and writes with a majority. Gossip would only repeat known state: the digests differ between nodes,
                # so each round sends all of it (3.3 MB/s of garbage for three nodes at 200 ms).
                gossip-interval = 5s
                notify-subscribers-interval = 50ms
                durable.keys = []
              }
            }
          }
        }
        """;
}
