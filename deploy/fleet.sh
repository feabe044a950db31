#!/usr/bin/env bash
# A fleet on this machine: three ActorLb nodes and three MQTT brokers, nothing else. Shows that every node sends a client to the broker
# where it belongs, also after a node was killed.
#
#   deploy/fleet.sh [--once]
#
#   --once   shows it, stops everything, and tells by the exit code whether all of it held;
#            so does a run without a terminal. Otherwise the fleet keeps running until Ctrl-C.
#
# Needs the .NET 10 SDK; installs mosquitto when it is missing (Debian, root or sudo).
# ACTORLB=PROGRAM and PBM=PROGRAM run those programs rather than building them.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/deploy/install.sh"
PATH=$PATH:/usr/sbin:/sbin

once=no
[ -t 1 ] || once=yes
for argument in "$@"; do
  case $argument in
    --once) once=yes ;;
    -h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "fleet: unknown argument $argument (see --help)" >&2; exit 2 ;;
  esac
done

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' green='' red='' plain=''; fi
step() { printf '\n%s\n' "${bold}$*${plain}"; }
fail() { printf '%s\n' "${red}fleet: $*${plain}" >&2; exit 1; }

readonly clients=30
work=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-fleet.XXXXXX") || exit 1
started=()

# Ends what was started, last first, by process id; the nodes get the time to leave the fleet.
cleanup() {
  trap - EXIT INT TERM
  local i
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill "${started[i]}" 2>/dev/null && end_of "${started[i]}"
  done
  rm -rf "$work"
}

end_of() {
  local tries
  for tries in $(seq 200); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A free port below those that the kernel gives to outgoing connections; the one asked for when nobody has it.
given=' '
port_for() {
  local port=$1
  while listening "$port" || [[ $given == *" $port "* ]]; do port=$((20000 + RANDOM % 10000)); done
  given="$given$port "
  REPLY=$port
}

# await PID COMMAND...: until the command succeeds; not when the process ends, nor for longer than 30 s.
await() {
  local tries pid=$1
  shift
  for tries in $(seq 300); do
    "$@" && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

need mosquitto:mosquitto mosquitto_pub:mosquitto-clients curl:curl || exit 1

build() {
  command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
  dotnet build "$root/src/$1" -c Release --nologo -v q "-clp:ErrorsOnly;NoSummary" -nodeReuse:false -p:UseSharedCompilation=false \
    || fail "the build of $1 failed"
}
[ -n "${ACTORLB:-}${PBM:-}" ] || step "Building ActorLb"
[ -n "${ACTORLB:-}" ] || build ActorLb.Server
[ -n "${PBM:-}" ] || build ActorLb.Cli
actorlb=${ACTORLB:-$root/src/ActorLb.Server/bin/Release/net10.0/actorlb}
pbm=${PBM:-$root/src/ActorLb.Cli/bin/Release/net10.0/pbm}

step "Starting three mosquitto brokers"
brokers=() backends=''
for i in 0 1 2; do
  port_for $((1893 + i)); port=$REPLY
  brokers+=("$port")
  backends="$backends${backends:+, }\"127.0.0.1:$port\""
  printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nconnection_messages true\nlog_dest stderr\nlog_type notice\n' \
    "$port" > "$work/mosquitto$i.conf"
  mosquitto -c "$work/mosquitto$i.conf" > "$work/mosquitto$i.log" 2>&1 &
  started+=($!)
  await $! listening "$port" || { cat "$work/mosquitto$i.log" >&2; fail "broker $i did not start"; }
  echo "  broker  127.0.0.1:$port"
done

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
  "$actorlb" run -c "$work/lb-$((i + 1)).conf" > "$work/lb-$((i + 1)).log" 2>&1 &
  nodes+=($!)
  started+=($!)
done
ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$1/readyz" 2>/dev/null; }

# settled NODE MEMBERS: by the node's own figures the fleet has so many members, and the node's shards and copies are complete.
settled() {
  local page
  page=$(curl -fsS -m 2 "http://127.0.0.1:${admins[$1]}/metrics" 2>/dev/null) || return 1
  grep -q "^actorlb_fleet_members $2\$" <<< "$page" && grep -q "^actorlb_fleet_live_nodes $2\$" <<< "$page" &&
    grep -q '^actorlb_fleet_detached 0$' <<< "$page" && grep -q '^actorlb_fleet_shards_unsynced 0$' <<< "$page" && awk -v m="$2" '
      $1 == "actorlb_fleet_shards_open" { open = $2 } $1 == "actorlb_fleet_shards_copied" { copied = $2 } $1 == "actorlb_fleet_moves" { moves = $2 }
      END { exit !(open > 0 && open <= 64 / m + 1 && copied > 0 && moves == 0) }' <<< "$page"
}
for i in 0 1 2; do
  await "${nodes[i]}" ready "${admins[i]}" || { cat "$work/lb-$((i + 1)).log" >&2; fail "node lb-$((i + 1)) did not become ready"; }
done
for i in 0 1 2; do
  await "${nodes[i]}" settled $i 3 || { cat "$work/lb-$((i + 1)).log" >&2; fail "node lb-$((i + 1)) did not join the fleet"; }
  echo "  lb-$((i + 1))  clients mqtt://127.0.0.1:${fronts[i]}  admin http://127.0.0.1:${admins[i]}"
done

step "pbm --host 127.0.0.1:${admins[0]} cluster show"
"$pbm" --host "127.0.0.1:${admins[0]}" cluster show || fail "the fleet's members could not be shown"

# visit NODE: every client connects through the node and leaves. Several at a time.
visit() {
  local i pids=()
  for ((i = 1; i <= clients; i++)); do
    mosquitto_pub -h 127.0.0.1 -p "${fronts[$1]}" -i "client-$i" -t fleet/hello -m "$i" > /dev/null 2>> "$work/clients.log" &
    pids+=($!)
    if [ $((i % 5)) -eq 0 ]; then
      for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
      pids=()
    fi
  done
}

# came BROKER: the ids that came to it, each as often as it came.
came() { sed -n 's/.*: New client connected from .* as \(client-[0-9]*\) (.*/\1/p' "$work/mosquitto$1.log"; }
arrivals() { for i in 0 1 2; do came $i; done | wc -l; }
arrived() { [ "$(arrivals)" -ge "$1" ]; }
astray() { for i in 0 1 2; do came $i | sort -u; done | sort | uniq -d | wc -l; }

visits=0 failed=0 result=0
check() {
  visits=$((visits + 1))
  visit "$1"
  await $$ arrived $((visits * clients)) || true
  local wrong
  wrong=$(astray)
  if [ "$wrong" -eq 0 ] && [ $failed -eq 0 ] && [ "$(arrivals)" -eq $((visits * clients)) ]; then
    printf '  through lb-%s  %s%s clients, each at its broker%s\n' $(($1 + 1)) "$green" $clients "$plain"
  else
    printf '  through lb-%s  %s%s at another broker than before, %s not connected%s\n' $(($1 + 1)) "$red" "$wrong" $failed "$plain"
    result=1
  fi
}

step "$clients clients come through lb-1, then through the others"
check 0
for i in 0 1 2; do echo "    broker 127.0.0.1:${brokers[i]} has $(came $i | sort -u | wc -l)"; done
check 1
check 2

# The newest mappings are at the other nodes within milliseconds; this is about those that are older than a second.
sleep 1
step "kill -9 lb-2"
kill -KILL "${nodes[1]}"
wait "${nodes[1]}" 2>/dev/null
check 0
check 2
echo "  waiting for the others to take over its shards"
await "${nodes[0]}" settled 0 2 && await "${nodes[2]}" settled 2 2 || { echo "${red}  they have not${plain}"; result=1; }
check 0
check 2
"$pbm" --host "127.0.0.1:${admins[2]}" cluster show || result=1

if [ $result -eq 0 ]; then
  printf '\n%s\n' "${green}${bold}$((visits * clients)) connections, $clients clients, each at one broker all the time.${plain}"
else
  printf '\n%s\n' "${red}${bold}Not every client was at its broker all the time.${plain}"
fi
[ $once = no ] || exit $result

cat <<END

${bold}Try next${plain} (in another terminal)
  $pbm --host 127.0.0.1:${admins[0]}                                the operator's shell
  $pbm --host 127.0.0.1:${admins[0]} sticky get client-1            where a client belongs
  $pbm --host 127.0.0.1:${admins[0]} pool drain 127.0.0.1:${brokers[0]}      holds on every node
  $actorlb run -c $work/lb-2.conf        the killed node comes back
  $actorlb bench conn -c 300 -h 127.0.0.1 -p ${fronts[0]}
  ${dim}a fleet over several machines: $root/hocon/fleet.conf${plain}

Running until Ctrl-C.
END
wait "${nodes[0]}" "${nodes[2]}"
step "The nodes ended."
exit 1
