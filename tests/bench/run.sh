#!/usr/bin/env bash
# Compares NGINX, HAProxy and ActorLb in turn, in the same run and on the same core; results are ratios to NGINX.
set -euo pipefail
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$BENCH/../.." && pwd)

usage() {
    cat <<'TEXT'
usage: tests/bench/run.sh [--quick] [--rounds N] [--groups plain,tls,ws] [--rows REGEX] [--json FILE] [--enforce]
                          [--without-actorlb] [--without-haproxy] [--with-relay] [--data-plane streams] [--actorlb DLL] [--keep]
  --quick            one minute instead of ten; less precise
  --groups, --rows   only some of the table (rows are named as in targets.tsv: rt64-c100, conn, idle, ...)
  --json FILE        the table as JSON
  --with-relay       also measures a relay that only reads and writes (small round trips without TLS)
  --data-plane streams  also measures ActorLb's other data plane, in the rows that it supports
  --enforce          exit code 1 if a target is missed
  --actorlb DLL      another build instead of that of this tree (which is built in Release if missing)
  --keep             keep the folder of configurations, logs and raw results
The balancer is pinned to one core (LB_CPU, default the last), load and backend to another (LOAD_CPU, default the first).
NGINX_BUFFER (default 16k, NGINX's own) sets its proxy_buffer_size. As root everything runs in its own network namespace.
TEXT
}

QUICK=0 ROUNDS= GROUPS_ARG=plain,tls,ws ROWS=. JSON= ENFORCE=0 KEEP=0 BALANCERS=(nginx haproxy actorlb) ACTORLB_DLL=
ARGUMENTS=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --quick) QUICK=1 ;;
    --rounds) ROUNDS=$2; shift ;;
    --groups) GROUPS_ARG=$2; shift ;;
    --rows) ROWS=$2; shift ;;
    --json) JSON=$2; shift ;;
    --enforce) ENFORCE=1 ;;
    --keep) KEEP=1 ;;
    --without-actorlb) BALANCERS=("${BALANCERS[@]/actorlb/}") ;;
    --without-haproxy) BALANCERS=("${BALANCERS[@]/haproxy/}") ;;
    --with-relay) BALANCERS+=(relay) ;;
    --data-plane)
        case ${2:-} in streams) BALANCERS+=(streams) ;; reactor) ;; *) echo "run.sh: --data-plane is reactor or streams" >&2; exit 2 ;; esac
        shift ;;
    --actorlb) ACTORLB_DLL=$(realpath "$2"); shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
read -ra BALANCERS <<<"${BALANCERS[*]}"
with() { [[ " ${BALANCERS[*]} " == *" $1 "* ]]; }

for tool in nginx haproxy gcc make openssl taskset pgrep awk; do
    [ "$tool" != haproxy ] || with haproxy || continue
    command -v "$tool" >/dev/null || { echo "run.sh: $tool is missing (Debian: nginx libnginx-mod-stream haproxy gcc make libssl-dev openssl util-linux procps)" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "run.sh: two cores are needed, one for the balancer and one for the load" >&2; exit 1; }

make -s -C "$BENCH/load"
if with actorlb && [ -z "$ACTORLB_DLL" ]; then
    ACTORLB_DLL=$ROOT/src/ActorLb.Server/bin/Release/net10.0/actorlb.dll
    [ -n "${BENCH_INSIDE:-}" ] || dotnet build "$ROOT/src/ActorLb.Server" -c Release -v q --nologo >&2
fi

# Its own namespace: no other traffic, no firewall rules, the whole port range, no port conflicts.
if [ -z "${BENCH_INSIDE:-}" ] && [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    BENCH_INSIDE=1 exec unshare --net "$BASH" "${BASH_SOURCE[0]}" "${ARGUMENTS[@]}"
fi
if [ -n "${BENCH_INSIDE:-}" ]; then
    ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="10000 60999" net.core.somaxconn=16384 || true
fi
ulimit -n "$(ulimit -Hn)"

PORT_BASE=${PORT_BASE:-9100} BACKEND_PORT=$((PORT_BASE + 10)) WS_BACKEND_PORT=$((PORT_BASE + 11))
LOAD_CPU=${LOAD_CPU:-0} LB_CPU=${LB_CPU:-$(($(nproc) - 1))}
DIR=$(mktemp -d -t actorlb-bench-XXXXXX)
LOAD="taskset -c $LOAD_CPU $BENCH/build/load"
mkdir "$DIR/actorlb-data" "$DIR/streams-data"
RESULTS=$DIR/results.tsv
: >"$RESULTS"
if [ $QUICK = 1 ]; then ROUNDS=${ROUNDS:-2} WARM=0.15 SECONDS_EACH=0.35 DIVIDE=4 MEMORY_ROUNDS=1; else ROUNDS=${ROUNDS:-7} WARM=0.3 SECONDS_EACH=1.2 DIVIDE=1 MEMORY_ROUNDS=3; fi
source "$BENCH/balancers.sh"

BACKEND_PID=
finish() {
    for lb in "${BALANCERS[@]}"; do stop "$lb"; done
    [ -z "$BACKEND_PID" ] || kill "$BACKEND_PID" 2>/dev/null || true
    if [ $KEEP = 1 ]; then echo "kept: $DIR" >&2; else rm -rf "$DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=bench -keyout "$DIR/server.key" -out "$DIR/server.pem" 2>/dev/null
cat "$DIR/server.pem" "$DIR/server.key" >"$DIR/server-and-key.pem"
$LOAD backend --port "$BACKEND_PORT" --ws-port "$WS_BACKEND_PORT" &
BACKEND_PID=$!

note() { [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2; }

# measure GROUP ROUND BALANCER ROW OPTIONS...: writes one line of results per metric; `kind` words are load's commands.
measure() {
    local group=$1 round=$2 lb=$3 row=$4 line
    shift 4
    [[ $row =~ $ROWS ]] || return 0
    [ "$lb" != streams ] || [ "$group" = plain ] || return 0
    [ "$lb" != relay ] || [[ $group != tls && $row == rt*-c* ]] || return 0
    note "$group $row round $round $lb"
    line=$($LOAD "$@" --pids "$(pids "$lb")") || { echo "run.sh: $group $row failed with $lb" >&2; tail -n 5 "$DIR/$lb-$group.log" >&2; exit 1; }
    for pair in $line; do printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$group" "$row" "${pair%%=*}" "$lb" "$round" "${pair#*=}" >>"$RESULTS"; done
}

rows_of() { # GROUP ROUND BALANCER
    local port time
    port=$(port_of "$3")
    time="--warm $WARM --seconds $SECONDS_EACH"
    case $1 in
    plain)
        measure "$@" rt64-c100 rt -p "$port" -c 100 --size 64 $time
        measure "$@" rt64-c1000 rt -p "$port" -c 1000 --size 64 $time
        measure "$@" rt1k-c100 rt -p "$port" -c 100 --size 1024 $time
        measure "$@" rt1k-c1000 rt -p "$port" -c 1000 --size 1024 $time
        measure "$@" rate-c100 rt -p "$port" -c 100 --size 64 --rate 10000 $time
        measure "$@" bulk rt -p "$port" -c 8 --size 262144 $time
        measure "$@" conn conn -p "$port" -c 50 --count $((6000 / DIVIDE))
        ;;
    tls)
        measure "$@" rt64-c100 rt -p "$port" --tls -c 100 --size 64 $time
        measure "$@" rt64-c1000 rt -p "$port" --tls -c 1000 --size 64 $time
        measure "$@" full conn -p "$port" --tls -c 20 --count $((1200 / DIVIDE))
        measure "$@" resumed conn -p "$port" --tls --resume -c 20 --count $((2000 / DIVIDE))
        ;;
    ws)
        measure "$@" rt64-c100 rt -p "$port" --ws /mqtt -c 100 --size 64 $time
        measure "$@" rt64-c1000 rt -p "$port" --ws /mqtt -c 1000 --size 64 $time
        # Only ActorLb can relay WebSocket to a TCP backend; the others' figure is that with a WebSocket backend.
        [ "$3" != actorlb ] || port=$((PORT_BASE + 4))
        measure "$@" rt64-tcp rt -p "$port" --ws /mqtt -c 100 --size 64 $time
        port=$(port_of "$3")
        measure "$@" conn conn -p "$port" --ws /mqtt -c 50 --count $((4000 / DIVIDE))
        ;;
    esac
}

# Rounds are interleaved and start with a different balancer each, so that slow phases of the machine affect all equally.
in_turn() { local n=${#BALANCERS[@]} i; for ((i = 0; i < n; i++)); do echo "${BALANCERS[$(((i + $1) % n))]}"; done; }

for group in ${GROUPS_ARG//,/ }; do
    for lb in "${BALANCERS[@]}"; do [ "$lb" = streams ] && [ "$group" != plain ] || start "$lb" "$group"; done
    for lb in "${BALANCERS[@]}"; do rows_of "$group" 0 "$lb"; done # warm-up; round 0 is not counted
    for ((round = 1; round <= ROUNDS; round++)); do
        for lb in $(in_turn $round); do rows_of "$group" $round "$lb"; done
    done
    for lb in "${BALANCERS[@]}"; do stop "$lb"; done
    # Memory is read from fresh processes, one at a time.
    case $group in plain) idle="-c $((9000 / DIVIDE))" ;; tls) idle="-c $((4000 / DIVIDE)) --tls" ;; *) continue ;; esac
    [[ idle =~ $ROWS ]] || continue
    for ((round = 1; round <= MEMORY_ROUNDS; round++)); do
        for lb in $(in_turn $round); do
            [ "$lb" = streams ] && [ "$group" != plain ] && continue
            start "$lb" "$group"
            measure "$group" $round "$lb" idle idle -p "$(port_of "$lb")" $idle
            stop "$lb"
        done
    done
done
note ""

status=0
awk -v json="$JSON" -v balancers="${BALANCERS[*]}" -f "$BENCH/report.awk" "$BENCH/targets.tsv" "$RESULTS" || status=$?
[ $ENFORCE = 1 ] && exit $status
exit 0
