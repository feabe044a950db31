#!/usr/bin/env bash
# Three MQTT brokers, ActorLb in front, and ten clients: shows how the clients spread.
#
#   deploy/quickstart.sh [--once]
#
#   --once   shows that and stops everything; the exit code is 0 if the clients spread 4/3/3.
#            This is also the default without a terminal. Otherwise everything keeps running until Ctrl-C.
#
# Needs the .NET 10 SDK; installs mosquitto when it is missing (Debian, root or sudo). If it cannot, it runs "actorlb demo", which
# has its own brokers and clients.
# ACTORLB=PROGRAM runs that program instead of building one.
set -uo pipefail

script=quickstart
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
arguments "$@"

readonly clients=10 wanted='4 3 3'
with=mosquitto
need mosquitto:mosquitto mosquitto_sub:mosquitto-clients curl:curl || with=demo

[ -n "${ACTORLB:-}" ] || { step "Building ActorLb"; build ActorLb.Server; }
actorlb=${ACTORLB:-$root/src/ActorLb.Server/bin/Release/net10.0/actorlb}

if [ $with = demo ]; then
  step "Without mosquitto: brokers and clients are ActorLb's own"
  options=()
  [ $once = yes ] && options=(--once)
  exec "$actorlb" demo ${options[@]+"${options[@]}"}
fi

begin
brokers 1884 'sys_interval 1'

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
  # An mqtt probe would sometimes be counted by the brokers as one more client.
  pools.emqx.health.probe = tcp
}
EOF

step "Starting ActorLb"
start actorlb "$actorlb" run -c "$config"
balancer=$REPLY
came_up actorlb $balancer ready "$admin"
echo "  clients  mqtt://127.0.0.1:$front"
echo "  admin    http://127.0.0.1:$admin"

step "Opening $clients MQTT connections"
start bench "$actorlb" bench conn -c $clients -h 127.0.0.1 -p "$front" --hold 24h
bench=$REPLY

# Each broker's own count of its clients. The client that asks is not included: it reads the value published before it connected.
count() {
  local port
  counts=()
  for port in "${broker_ports[@]}"; do
    counts+=("$(mosquitto_sub -h 127.0.0.1 -p "$port" -t '$SYS/broker/clients/connected' -C 1 -W 5 2>/dev/null || echo 0)")
  done
}
spread() { printf '%s\n' "${counts[@]}" | sort -rn | tr '\n' ' ' | sed 's/ $//'; }

# The same, as counted by ActorLb.
measure() {
  local metrics port
  metrics=$(curl -fsS -m 5 "http://127.0.0.1:$admin/metrics") || fail "no metrics from the balancer"
  measured=()
  for port in "${broker_ports[@]}"; do
    measured+=("$(sed -n "s/^actorlb_backend_connections{.*backend=\"127.0.0.1:$port\".*} *//p" <<< "$metrics")")
  done
}

# Brokers publish their count once a second, so it lags; it is right when both sides agree on the number of all clients.
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
  # Not in step with the brokers' second; otherwise they would always count the client that asks.
  sleep "0.$((RANDOM % 8 + 1))"
done

echo
step "Where the $clients clients are"
printf '  %s%-18s %16s %16s%s\n' "$dim" broker "by the broker" "by ActorLb" "$plain"
for i in 0 1 2; do
  printf '  %-18s %16s %16s  %s%s%s\n' "127.0.0.1:${broker_ports[i]}" "${counts[i]}" "${measured[i]:--}" \
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
  mosquitto_pub -h 127.0.0.1 -p ${broker_ports[0]} -t hello/you -m hi       so publish on the broker that the subscriber got
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
