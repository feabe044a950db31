#!/usr/bin/env bash
# Compares NGINX, HAProxy and ActorLb: time from start to the first served client, memory with and without idle clients, and size on disk.
set -euo pipefail
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$BENCH/../.." && pwd)

usage() {
    cat <<'TEXT'
usage: tests/bench/start.sh [--rounds N] [--memory-rounds N] [--programs FOLDER] [--with FOLDER]... [--only REGEX] [--keep]
  --rounds N         starts of each (default 15); the table shows the median, with the minimum in brackets
  --memory-rounds N  starts of each for the memory figures (default 3; 0 omits them)
  --programs FOLDER  an already published ActorLb (default: publishes this tree, which uses the machine's .NET runtime)
  --with FOLDER      also measures another published ActorLb, such as the tarball's or an older version; may be repeated
  --only REGEX       only those of nginx, haproxy, actorlb and the folders' names that match
  --keep             keep the folder of configurations, logs and raw results
As root everything runs in its own network namespace. All are started as a service manager would, with one worker each and without a
dedicated core. Memory is that of all their processes. Size on disk is what the packages install, without the system's shared libraries
and, for the first ActorLb, without the .NET runtime (which has its own row).
TEXT
}

ROUNDS=15 MEMORY_ROUNDS=3 PROGRAMS= OTHERS=() ONLY=. KEEP=0
ARGUMENTS=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) ROUNDS=$2; shift ;;
    --memory-rounds) MEMORY_ROUNDS=$2; shift ;;
    --programs) PROGRAMS=$(realpath "$2"); shift ;;
    --with) OTHERS+=("$(realpath "$2")"); shift ;;
    --only) ONLY=$2; shift ;;
    --keep) KEEP=1 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "start.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

for tool in nginx haproxy gcc make awk dpkg-query; do
    command -v "$tool" >/dev/null || { echo "start.sh: $tool is missing (Debian: nginx libnginx-mod-stream haproxy gcc make libssl-dev)" >&2; exit 1; }
done
make -s -C "$BENCH/load"

if [ -z "${BENCH_INSIDE:-}" ] && [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    # A package feed cannot be reached from the namespace.
    if [ -z "$PROGRAMS" ]; then
        PROGRAMS=$ROOT/tests/bench/build/programs
        dotnet publish "$ROOT/src/ActorLb.Server" -c Release -o "$PROGRAMS" -v q --nologo >&2
        ARGUMENTS+=(--programs "$PROGRAMS")
    fi
    BENCH_INSIDE=1 exec unshare --net "$BASH" "${BASH_SOURCE[0]}" "${ARGUMENTS[@]}"
fi
if [ -n "${BENCH_INSIDE:-}" ]; then
    ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="10000 60999" net.core.somaxconn=16384 || true
elif [ -z "$PROGRAMS" ]; then
    PROGRAMS=$ROOT/tests/bench/build/programs
    dotnet publish "$ROOT/src/ActorLb.Server" -c Release -o "$PROGRAMS" -v q --nologo >&2
fi
ulimit -n "$(ulimit -Hn)"

declare -A FOLDER=([actorlb]=$PROGRAMS)
BALANCERS=(nginx haproxy actorlb)
for folder in "${OTHERS[@]}"; do
    name=$(basename "$folder")
    FOLDER[$name]=$folder
    BALANCERS+=("$name")
done
mapfile -t BALANCERS < <(printf '%s\n' "${BALANCERS[@]}" | grep -E "$ONLY")

PORT_BASE=${PORT_BASE:-9100} BACKEND_PORT=$((PORT_BASE + 10)) WS_BACKEND_PORT=$((PORT_BASE + 11))
DIR=$(mktemp -d -t actorlb-start-XXXXXX)
LOAD=$BENCH/build/load
RESULTS=$DIR/results.tsv
: >"$RESULTS"
source "$BENCH/balancers.sh"

BACKEND_PID=
finish() {
    [ -z "$BACKEND_PID" ] || kill "$BACKEND_PID" 2>/dev/null || true
    if [ $KEEP = 1 ]; then echo "kept: $DIR" >&2; else rm -rf "$DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM
"$LOAD" backend --port "$BACKEND_PORT" --ws-port "$WS_BACKEND_PORT" &
BACKEND_PID=$!
sleep 0.2

note() { [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2; }

# measure ROUND BALANCER OPTIONS...: starts it, measures, and stops it.
measure() {
    local round=$1 lb=$2 kind=$2 config command line
    shift 2
    [ -z "${FOLDER[$lb]:-}" ] || kind=actorlb
    config=$(render "$kind" plain)
    rm -rf "$DIR/actorlb-data"
    case $kind in
    nginx) command=(nginx -p "$DIR" -c "$config") ;;
    haproxy) command=(haproxy -db -f "$config") ;;
    actorlb) command=("${FOLDER[$lb]}/actorlb" run -c "$config") ;;
    esac
    note "round $round $lb"
    line=$("$LOAD" start --port "$(port_of "$kind")" "$@" -- "${command[@]}" 2>"$DIR/$lb.log") \
        || { echo "start.sh: $lb failed:" >&2; tail -n 5 "$DIR/$lb.log" >&2; exit 1; }
    [ "$round" = 0 ] || for pair in $line; do printf '%s\t%s\t%s\n' "${pair%%=*}" "$lb" "${pair#*=}" >>"$RESULTS"; done
}

in_turn() { local n=${#BALANCERS[@]} i; for ((i = 0; i < n; i++)); do echo "${BALANCERS[$(((i + $1) % n))]}"; done; }

# The first round loads the files into the page cache.
for ((round = 0; round <= ROUNDS; round++)); do
    for lb in $(in_turn $round); do measure $round "$lb" --count 1; done
done
for ((round = 1; round <= MEMORY_ROUNDS; round++)); do
    for lb in $(in_turn $round); do measure $round "$lb" -c 1000 --count 5000; done
done
note ""

mib_of() { du -sk --apparent-size "$@" | awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }'; }
installed() { dpkg-query -W -f '${Installed-Size}\n' "$@" 2>/dev/null | awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }'; }
for lb in "${BALANCERS[@]}"; do
    case $lb in
    nginx) size=$(installed nginx nginx-common libnginx-mod-stream) ;;
    haproxy) size=$(installed haproxy) ;;
    *) size=$(mib_of "${FOLDER[$lb]}") ;;
    esac
    printf 'disk_mib\t%s\t%s\n' "$lb" "$size" >>"$RESULTS"
    if [ -n "${FOLDER[$lb]:-}" ] && [ ! -e "${FOLDER[$lb]}/libcoreclr.so" ]; then
        printf 'runtime_mib\t%s\t%s\n' "$lb" "$(dotnet --list-runtimes | awk '$1 ~ /NETCore|AspNetCore/ { gsub(/[][]/, "", $3); last[$1] = $3 "/" $2 } END { for (r in last) print last[r] }' | xargs du -sk --apparent-size | awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }')" >>"$RESULTS"
    fi
done

awk -v balancers="${BALANCERS[*]}" -f "$BENCH/start.awk" "$RESULTS"
