#!/usr/bin/env bash
# Three MQTT brokers, ActorLb in front, ten clients: shows how they spread.
#
#   deploy/quickstart.sh [--once]
#
#   --once   shows it, stops everything, and tells by the exit code whether the clients spread 4/3/3;
#            so does a run without a terminal. Otherwise all keeps running until Ctrl-C.
#
# Needs the .NET 10 SDK; installs mosquitto when it is missing (Debian, root or sudo). Where that is not possible, brokers and
# clients are those of "actorlb demo", which needs nothing else.
# ACTORLB=PROGRAM runs that program rather than building one.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/deploy/install.sh"
PATH=$PATH:/usr/sbin:/sbin

once=no
[ -t 1 ] || once=yes
for argument in "$@"; do
  case $argument in
    --once) once=yes ;;
    -h|--help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart: unknown argument $argument (see --help)" >&2; exit 2 ;;
  esac
done

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' green='' red='' plain=''; fi
step() { printf '%s\n' "${bold}$*${plain}"; }
fail() { printf '%s\n' "${red}quickstart: $*${plain}" >&2; exit 1; }

readonly clients=10 wanted='4 3 3'
work=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-quickstart.XXXXXX") || exit 1
started=()

# Ends what was started, last first, by process id; the balancer gets the time to drain.
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
  for tries in $(seq 100); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The port asked for when nobody has it, else the next free one of a quiet range.
given=' '
port_for() {
  local port=$1
  while listening "$port" || [[ $given == *" $port "* ]]; do port=$((20000 + RANDOM % 10000)); done
  given="$given$port "
  REPLY=$port
}

await() {
  local tries
  for tries in $(seq 200); do
    "${@:3}" && return 0
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}

brokers=mosquitto
need mosquitto:mosquitto mosquitto_sub:mosquitto-clients curl:curl || brokers=demo

if [ -n "${ACTORLB:-}" ]; then
  actorlb=$ACTORLB
else
  command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
  step "Building ActorLb"
  dotnet build "$root/src/ActorLb.Server" -c Release --nologo -v q "-clp:ErrorsOnly;NoSummary" \
    -nodeReuse:false -p:UseSharedCompilation=false || fail "the build failed"
  actorlb=$root/src/ActorLb.Server/bin/Release/net10.0/actorlb
fi

if [ $brokers = demo ]; then
  step "Without mosquitto: brokers and clients are ActorLb's own"
  cleanup
  arguments=()
  [ $once = yes ] && arguments=(--once)
  exec "$actorlb" demo ${arguments[@]+"${arguments[@]}"}
fi

step "Starting three mosquitto brokers"
ports=() backends=''
for i in 1 2 3; do
  port_for $((1883 + i)); port=$REPLY
  ports+=("$port")
  backends="$backends${backends:+, }\"127.0.0.1:$port\""
  printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nsys_interval 1\n' "$port" > "$work/mosquitto$i.conf"
  mosquitto -c "$work/mosquitto$i.conf" > "$work/mosquitto$i.log" 2>&1 &
  started+=($!)
  await "broker $i" $! listening "$port" || { cat "$work/mosquitto$i.log" >&2; fail "broker $i did not start"; }
  echo "  127.0.0.1:$port"
done

port_for 1883; front=$REPLY
port_for 8888; admin=$REPLY
config=$work/quickstart.conf
cat > "$config" <<EOF
include required(file("$root/hocon/quickstart.conf"))
port = $front
admin-port = $admin
actorlb {
  node { data-dir = "$work/data", pid-file = "$work/actorlb.pid", drain-timeout = 2s }
  pools.emqx.backends = [$backends]
  # A probe that signs on would be one more client in the brokers' count at times.
  pools.emqx.health.probe = tcp
}
EOF

step "Starting ActorLb"
"$actorlb" run -c "$config" > "$work/actorlb.log" 2>&1 &
balancer=$!
started+=($balancer)
ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$admin/readyz" 2>/dev/null; }
await balancer $balancer ready || { cat "$work/actorlb.log" >&2; fail "the balancer did not become ready"; }
echo "  clients  mqtt://127.0.0.1:$front"
echo "  admin    http://127.0.0.1:$admin"

step "Opening $clients MQTT connections"
"$actorlb" bench conn -c $clients -h 127.0.0.1 -p "$front" --hold 24h > "$work/bench.log" 2>&1 &
bench=$!
started+=($bench)

# Each broker's own count of its clients, without the one that asks: it asks for the value published before it came.
count() {
  local port
  counts=()
  for port in "${ports[@]}"; do
    counts+=("$(mosquitto_sub -h 127.0.0.1 -p "$port" -t '$SYS/broker/clients/connected' -C 1 -W 5 2>/dev/null || echo 0)")
  done
}
spread() { printf '%s\n' "${counts[@]}" | sort -rn | tr '\n' ' ' | sed 's/ $//'; }

# The same as ActorLb counts it.
measure() {
  local metrics port
  metrics=$(curl -fsS -m 5 "http://127.0.0.1:$admin/metrics") || fail "no metrics from the balancer"
  measured=()
  for port in "${ports[@]}"; do
    measured+=("$(sed -n "s/^actorlb_backend_connections{.*backend=\"127.0.0.1:$port\".*} *//p" <<< "$metrics")")
  done
}

# Brokers publish their count once a second, so it lags; it is true when both sides agree on all the clients.
settled() {
  count; measure
  sum=$((counts[0] + counts[1] + counts[2]))
  [ $sum -eq $clients ] && [ "${counts[*]}" = "${measured[*]}" ]
}
tries=0
until settled; do
  tries=$((tries + 1))
  kill -0 $bench 2>/dev/null || { cat "$work/bench.log" >&2; fail "the clients did not stay connected"; }
  [ $tries -lt 20 ] || break
  sleep 0.5
done

echo
step "Where the $clients clients are"
printf '  %s%-18s %16s %16s%s\n' "$dim" broker "by the broker" "by ActorLb" "$plain"
for i in 0 1 2; do
  printf '  %-18s %16s %16s  %s%s%s\n' "127.0.0.1:${ports[i]}" "${counts[i]}" "${measured[i]:--}" \
    "$green" "$(printf '%*s' "${counts[i]}" '' | tr ' ' '#')" "$plain"
done

echo
step "http://127.0.0.1:$admin/status"
curl -fsS -m 5 "http://127.0.0.1:$admin/status" || fail "no status page from the balancer"

result=1
if [ "$(spread)" = "$wanted" ] && [ "${counts[*]}" = "${measured[*]}" ]; then
  result=0
  printf '\n%s\n' "${green}${bold}Spread ${wanted// //}.${plain}"
else
  printf '\n%s\n' "${red}Expected the clients to spread ${wanted// //}, found ${counts[*]} (ActorLb: ${measured[*]}).${plain}"
fi

if [ $once = yes ]; then
  exit $result
fi

cat <<EOF

${bold}Try next${plain} (in another terminal)
  mosquitto_sub -h 127.0.0.1 -p $front -t 'hello/#' -v          a client of your own; each broker is on its own here,
  mosquitto_pub -h 127.0.0.1 -p ${ports[0]} -t hello/you -m hi       so publish on the broker that the subscriber got
  kill ${started[0]}                                                  one broker dies: new clients go to the other two
  curl -s http://127.0.0.1:$admin/metrics | grep backend
  $actorlb check -c $config
  ${dim}edit $config, then:${plain}
  $actorlb reload -c $config
  ${dim}every key with its default: $root/hocon/reference.conf${plain}

Running until Ctrl-C.
EOF
wait $balancer
step "The balancer ended."
cat "$work/actorlb.log"
exit 1
