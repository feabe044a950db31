#!/usr/bin/env bash
# A fleet on this machine: three ActorLb nodes and three MQTT brokers, nothing else. Shows that every node sends a client to the same broker,
# even after one node was killed.
#
#   deploy/fleet.sh [--once]
#
#   --once   shows that and stops everything; the exit code is 0 if every check passed.
#            This is also the default without a terminal. Otherwise the fleet keeps running until Ctrl-C.
#
# Needs the .NET 10 SDK; installs mosquitto when it is missing (Debian, root or sudo).
# ACTORLB=PROGRAM and PBM=PROGRAM run those programs instead of building them.
set -uo pipefail

script=fleet
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
arguments "$@"
step() { printf '\n%s\n' "${bold}$*${plain}"; }

readonly clients=30
begin
need mosquitto:mosquitto mosquitto_pub:mosquitto-clients curl:curl || exit 1

[ -n "${ACTORLB:-}${PBM:-}" ] || step "Building ActorLb"
[ -n "${ACTORLB:-}" ] || build ActorLb.Server
[ -n "${PBM:-}" ] || build ActorLb.Cli
actorlb=${ACTORLB:-$root/src/ActorLb.Server/bin/Release/net10.0/actorlb}
pbm=${PBM:-$root/src/ActorLb.Cli/bin/Release/net10.0/pbm}

brokers 1893 'connection_messages true' 'log_dest stderr' 'log_type notice'

step "Starting three nodes"
(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$work/secret")
fronts=() admins=() nodes=() peers=() seeds=''
for i in 0 1 2; do
  port_for $((7946 + i)); peers+=("$REPLY")
  seeds="$seeds${seeds:+, }\"127.0.0.1:$REPLY\""
done
for i in 0 1 2; do
  port_for $((1883 + i)); front=$REPLY
  port_for $((8888 + i)); admin=$REPLY
  fronts+=("$front") admins+=("$admin")
  cat > "$work/lb-$((i + 1)).conf" <<END
include required(file("$root/hocon/fleet.conf"))
actorlb {
  node { name = lb-$((i + 1)), data-dir = "$work/lb-$((i + 1))", pid-file = "$work/lb-$((i + 1)).pid", drain-timeout = 4s }
  admin.bind = "127.0.0.1:$admin"
  cluster {
    bind = "127.0.0.1:${peers[i]}", advertise = "127.0.0.1:${peers[i]}", secret-file = "$work/secret"
    seeds = [$seeds]
  }
  pools.emqx { backends = [$backends], proxy-protocol = off, health.probe = tcp }
  listeners.mqtt.bind = "127.0.0.1:$front"
}
END
  start "lb-$((i + 1))" "$actorlb" run -c "$work/lb-$((i + 1)).conf"
  nodes+=("$REPLY")
done

# settled NODE MEMBERS: whether the node reports that many members, and its shards and copies are complete.
settled() {
  local page
  page=$(curl -fsS -m 2 "http://127.0.0.1:${admins[$1]}/metrics" 2>/dev/null) || return 1
  grep -q "^actorlb_fleet_members $2\$" <<< "$page" && grep -q "^actorlb_fleet_live_nodes $2\$" <<< "$page" &&
    grep -q '^actorlb_fleet_detached 0$' <<< "$page" && grep -q '^actorlb_fleet_shards_unsynced 0$' <<< "$page" && awk -v m="$2" '
      $1 == "actorlb_fleet_shards_open" { open = $2 } $1 == "actorlb_fleet_shards_copied" { copied = $2 } $1 == "actorlb_fleet_moves" { moves = $2 }
      END { exit !(open > 0 && open <= 64 / m + 1 && copied > 0 && moves == 0) }' <<< "$page"
}
for i in 0 1 2; do
  came_up "lb-$((i + 1))" "${nodes[i]}" ready "${admins[i]}"
done
for i in 0 1 2; do
  await "${nodes[i]}" settled $i 3 || { tail -n 40 "$work/lb-$((i + 1)).log" >&2; fail "node lb-$((i + 1)) did not join the fleet within 30 s"; }
  echo "  lb-$((i + 1))  clients mqtt://127.0.0.1:${fronts[i]}  admin http://127.0.0.1:${admins[i]}"
done

step "pbm --host 127.0.0.1:${admins[0]} cluster show"
"$pbm" --host "127.0.0.1:${admins[0]}" cluster show || fail "the fleet's members could not be shown"

# visit NODE: every client connects through the node and disconnects, several at a time. Each client's output goes to its own file.
visit() {
  local i pids=()
  mkdir "$work/visit-$visits"
  for ((i = 1; i <= clients; i++)); do
    mosquitto_pub -h 127.0.0.1 -p "${fronts[$1]}" -i "client-$i" -t fleet/hello -m "$i" > /dev/null 2> "$work/visit-$visits/client-$i" &
    pids+=($!)
    if [ $((i % 5)) -eq 0 ]; then
      for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
      pids=()
    fi
  done
}

# came BROKER: the ids of the clients that connected to it, once per connection.
came() { sed -n 's/.*: New client connected from .* as \(client-[0-9]*\) (.*/\1/p' "$work/mosquitto$1.log"; }
arrivals() { for i in 0 1 2; do came $i; done | wc -l; }
arrived() { [ "$(arrivals)" -ge "$1" ]; }

# Where the clients of the last visit connected: one line "client node broker" per connection since the visit before.
note() {
  local i n
  for i in 0 1 2; do
    n=$(came $i | wc -l)
    came $i | tail -n "$((n - ${seen[i]}))" | sed "s/\$/ lb-$(($1 + 1)) 127.0.0.1:${broker_ports[i]}/" >> "$work/visits"
    seen[i]=$n
  done
}

# Clients that connected to several brokers: to which ones, and through which nodes.
astray() {
  sort -V "$work/visits" | awk '
    { if (index(brokers[$1] " ", " " $3 " ") == 0) { brokers[$1] = brokers[$1] " " $3; count[$1]++ } ways[$1] = ways[$1] (ways[$1] ? ", " : "") "through " $2 " at " $3 }
    END { for (client in count) if (count[client] > 1) print client ": " ways[client] }' | sort -V
}

# Clients of this visit that no broker has seen, with the error that they got.
missing() {
  local i
  for ((i = 1; i <= clients; i++)); do
    [ "$(grep -c "^client-$i lb-" "$work/visits")" -lt "$visits" ] || continue
    echo "client-$i: through lb-$(($1 + 1)) at no broker$(sed -n '1s/^/: /p' "$work/visit-$visits/client-$i")"
  done
}

visits=0 failed=0 result=0 seen=(0 0 0)
check() {
  visits=$((visits + 1))
  local before=$failed wrong
  visit "$1"
  await $$ arrived $((visits * clients - failed)) || true
  note "$1"
  wrong=$(astray; missing "$1")
  if [ -z "$wrong" ] && [ $failed -eq $before ]; then
    printf '  through lb-%s  %s%s clients, each at its broker%s\n' $(($1 + 1)) "$green" $clients "$plain"
  else
    printf '  through lb-%s  %s%s of %s clients not at their broker, %s not connected%s\n' \
      $(($1 + 1)) "$red" "$(wc -l <<< "$wrong")" $clients $((failed - before)) "$plain"
    sed 's/^/    /' <<< "$wrong" | head -n 20
    result=1
  fi
}

step "$clients clients come through lb-1, then through the others"
check 0
for i in 0 1 2; do echo "    broker 127.0.0.1:${broker_ports[i]} has $(came $i | sort -u | wc -l)"; done
check 1
check 2

# New mappings reach the other nodes within milliseconds; this test is about mappings older than a second.
sleep 1
step "kill -9 lb-2"
kill -KILL "${nodes[1]}"
wait "${nodes[1]}" 2>/dev/null
check 0
check 2
echo "  waiting for the others to take over its shards"
await "${nodes[0]}" settled 0 2 && await "${nodes[2]}" settled 2 2 || { echo "${red}  lb-1 and lb-3 have not within 30 s${plain}"; result=1; }
check 0
check 2
"$pbm" --host "127.0.0.1:${admins[2]}" cluster show || result=1

if [ $result -eq 0 ]; then
  printf '\n%s\n' "${green}${bold}$((visits * clients)) connections, $clients clients, each at one broker all the time.${plain}"
else
  printf '\n%s\n' "${red}${bold}Not every client was at its broker all the time.${plain}"
fi
[ $once = no ] || exit $result
[ $result -eq 0 ] || keep=yes

cat <<END

${bold}Try next${plain} (in another terminal)
  $pbm --host 127.0.0.1:${admins[0]}                                the operator's shell
  $pbm --host 127.0.0.1:${admins[0]} sticky get client-1            where a client belongs
  $pbm --host 127.0.0.1:${admins[0]} pool drain 127.0.0.1:${broker_ports[0]}      holds on every node
  $actorlb run -c $work/lb-2.conf        the killed node comes back
  $actorlb bench conn -c 300 -h 127.0.0.1 -p ${fronts[0]}
  ${dim}a fleet over several machines: $root/hocon/fleet.conf${plain}

Running until Ctrl-C.
END
wait "${nodes[0]}" "${nodes[2]}"
step "The nodes ended."
exit 1
