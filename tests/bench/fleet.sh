#!/usr/bin/env bash
# What a sticky CONNECT costs if another node of the fleet owns the client, compared with one that the node itself owns.
set -euo pipefail
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$BENCH/../.." && pwd)

usage() {
    cat <<'TEXT'
usage: tests/bench/fleet.sh [--rounds N] [--count N] [--enforce] [--keep]
  --rounds N   measured rounds (7), after one for warm-up
  --count N    connections per measurement (4000)
  --enforce    exit code 1 if a target is missed
  --keep       keep the folder of configurations and logs
Runs two nodes; all clients connect through the first. CPU is that of both nodes together, so it includes the owner's share
of a lookup. The nodes are pinned to one core (LB_CPU, default the last), load and broker to another (LOAD_CPU, default the first).
TEXT
}

ROUNDS=7 COUNT=4000 ENFORCE=0 KEEP=0 ARGUMENTS=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) ROUNDS=$2; shift ;;
    --count) COUNT=$2; shift ;;
    --enforce) ENFORCE=1 ;;
    --keep) KEEP=1 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "fleet.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

for tool in curl gcc make taskset awk; do
    command -v "$tool" >/dev/null || { echo "fleet.sh: $tool is missing (Debian: curl gcc make libssl-dev util-linux)" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "fleet.sh: two cores are needed, one for the nodes and one for the load" >&2; exit 1; }
make -s -C "$BENCH/load"
[ -n "${BENCH_INSIDE:-}" ] || dotnet build "$ROOT/src/ActorLb.Server" -c Release -v q --nologo >&2
if [ -z "${BENCH_INSIDE:-}" ] && [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    BENCH_INSIDE=1 exec unshare --net "$BASH" "${BASH_SOURCE[0]}" "${ARGUMENTS[@]}"
fi
if [ -n "${BENCH_INSIDE:-}" ]; then
    ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="10000 60999" net.core.somaxconn=16384 || true
fi
ulimit -n "$(ulimit -Hn)"

PORT_BASE=${PORT_BASE:-9200} BACKEND=$((PORT_BASE + 10))
LOAD_CPU=${LOAD_CPU:-0} LB_CPU=${LB_CPU:-$(($(nproc) - 1))}
LOAD="taskset -c $LOAD_CPU $BENCH/build/load"
DIR=$(mktemp -d -t actorlb-bench-XXXXXX)
STARTED=()
finish() {
    trap - EXIT
    for ((i = ${#STARTED[@]} - 1; i >= 0; i--)); do kill "${STARTED[i]}" 2>/dev/null || true; done
    for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ $KEEP = 1 ]; then echo "kept: $DIR" >&2; else rm -rf "$DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

# await WHAT LOG COMMAND...: waits until the command succeeds, at most 20 s.
await() {
    local what=$1 log=$2
    shift 2
    for _ in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "fleet.sh: $what" >&2
    tail -n 20 "$log" >&2
    exit 1
}
admin() { echo "127.0.0.1:$((PORT_BASE + 2 + $1 * 3))"; }
metric() { curl -fsS "http://$(admin "$1")/metrics" | awk -v name="$2" '$1 == name { print $2 }'; }

head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DIR/secret"
chmod 600 "$DIR/secret"
$LOAD backend --port "$BACKEND" &
STARTED+=($!)

NODES=()
for i in 0 1; do
    mkdir "$DIR/node-$i"
    sed -e "s|@NAME@|node-$i|g" -e "s|@DIR@|$DIR|g" -e "s|@BACKEND@|$BACKEND|g" -e "s|@PORT@|$((PORT_BASE + 1 + i * 3))|g" \
        -e "s|@ADMIN@|$((PORT_BASE + 2 + i * 3))|g" -e "s|@PEER@|$((PORT_BASE + 3 + i * 3))|g" \
        -e "s|@PEER1@|$((PORT_BASE + 3))|g" -e "s|@PEER2@|$((PORT_BASE + 6))|g" "$BENCH/conf/actorlb-fleet.conf" >"$DIR/node-$i.conf"
    DOTNET_gcServer=0 taskset -c "$LB_CPU" dotnet "$ROOT/src/ActorLb.Server/bin/Release/net10.0/actorlb.dll" run -c "$DIR/node-$i.conf" >"$DIR/node-$i.log" 2>&1 &
    STARTED+=($!)
    NODES+=($!)
done
for i in 0 1; do await "node $i did not start" "$DIR/node-$i.log" curl -fsS "http://$(admin $i)/readyz"; done
settled() { # whether every shard has its owner, and the other node has its copy
    local open=0 i n
    for i in 0 1; do
        n=$(metric $i actorlb_fleet_shards_open)
        [ "$n" -gt 0 ] && [ "$(metric $i actorlb_fleet_shards_copied)" -gt 0 ] && [ "$(metric $i actorlb_fleet_shards_unsynced)" = 0 ] || return 1
        open=$((open + n))
    done
    [ $open = 64 ]
}
await "the nodes did not share the shards" "$DIR/node-0.log" settled

# The map knows which node owns a client.
owner_of() { curl -fsS "http://$(admin 0)/api/v1/sticky?client=$(printf 'bench-%08x' "$1")" | sed -n 's/.*"owner":"\([^"]*\)".*/\1/p'; }
for n in $(seq 0 399); do echo "$n" >>"$DIR/ids-$(owner_of "$n")"; done

measure() { # NAME IDS OPTIONS...
    local name=$1 ids=$2 line
    shift 2
    line=$($LOAD conn -p $((PORT_BASE + 1)) --ids "$DIR/ids-$ids" --pids "${NODES[0]},${NODES[1]}" "$@")
    for pair in $line; do printf '%s\t%s\t%s\t%s\n' "$name" "$ids" "${pair%%=*}" "${pair#*=}" >>"$DIR/results.tsv"; done
}
local_before=0 remote_before=0
for ((round = 0; round <= ROUNDS; round++)); do
    if [ "$round" = 1 ]; then
        : >"$DIR/results.tsv"
        local_before=$(metric 0 'actorlb_sticky_lookups_total{outcome="local"}')
        remote_before=$(metric 0 'actorlb_sticky_lookups_total{outcome="remote"}')
    fi
    order=(node-0 node-1)
    [ $((round % 2)) = 0 ] || order=(node-1 node-0)
    for ids in "${order[@]}"; do
        measure crowd "$ids" -c 50 --count "$COUNT"
        measure alone "$ids" -c 1 --count $((COUNT / 4))
    done
done

local_lookups=$(($(metric 0 'actorlb_sticky_lookups_total{outcome="local"}') - local_before))
remote_lookups=$(($(metric 0 'actorlb_sticky_lookups_total{outcome="remote"}') - remote_before))
echo "lookups of the first node: $local_lookups its own, $remote_lookups of the second node's; ids $(wc -l <"$DIR/ids-node-0") and $(wc -l <"$DIR/ids-node-1")"
status=0
awk -F'\t' '
    { value[$1, $2, $3, ++count[$1, $2, $3]] = $4 }
    function median(a, ids, m,    n, i, j, t) {
        n = count[a, ids, m]
        for (i = 1; i <= n; i++) list[i] = value[a, ids, m, i] + 0
        return middle(n)
    }
    function compare(a, m, kind,    n, i, x, y) {
        n = count[a, "node-0", m]
        for (i = 1; i <= n; i++) {
            x = value[a, "node-0", m, i]; y = value[a, "node-1", m, i]
            list[i] = kind == "ratio" ? y / x : y - x
        }
        return middle(n)
    }
    function middle(n,    i, j, t) {
        for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function row(what, a, m, kind, target,    q, verdict) {
        q = compare(a, m, kind)
        verdict = target == "-" ? "" : q <= target ? "PASS" : "FAIL"
        if (verdict == "FAIL") missed = 1
        printf "%-66s %10.1f %10.1f %10.2f %8s %s\n", what, median(a, "node-0", m), median(a, "node-1", m), q, target, verdict
    }
    END {
        printf "%-66s %10s %10s %10s %8s\n", "through the first node", "own", "remote", "", "target"
        row("CPU of both nodes per sticky CONNECT, 50 at once (us); ratio", "crowd", "cpu_us", "ratio", 1.25)
        row("CPU of both nodes per sticky CONNECT, one at a time (us); ratio", "alone", "cpu_us", "ratio", 2.5)
        row("p50 of connect to CONNACK, one at a time (us); added", "alone", "p50_us", "added", "-")
        row("p99 of connect to CONNACK, one at a time (us); added", "alone", "p99_us", "added", 2000)
        row("p99 of connect to CONNACK, 50 at once (us); added", "crowd", "p99_us", "added", "-")
        exit missed
    }' "$DIR/results.tsv" || status=$?
[ $ENFORCE = 0 ] || exit $status
