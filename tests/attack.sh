#!/usr/bin/env bash
# Attacks the published program with hostile clients while honest clients measure it: one attack after the other, each on a fresh node.
set -euo pipefail
TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$TESTS/.." && pwd)
ALL=(pings-before pings-after glued silent hellos-300 hellos-1000 connects connects-cgroup admin descriptors sticky)

usage() {
    cat <<TEXT
usage: tests/attack.sh [--program FILE] [--seconds N] [--keep] [ATTACK...]
  --program FILE   another \`actorlb\` instead of that of this tree (which is published if missing)
  --seconds N      duration of each attack, default 10
  --keep           keep the folder of configurations and logs
ATTACK: ${ALL[*]}
  pings-before     20 WebSocket clients: one byte of a CONNECT, then endless empty pings
  pings-after      the same after their CONNACK
  glued            1,250 to 2,850 pings and the CONNECT in one write
  silent           1,300 silent connections from a denied address, to a node for 1,200 clients
  hellos-300, -1000   that many TLS ClientHellos per second, then silence
  connects         2,000 CONNECTs of 983,135 bytes, without the last byte
  connects-cgroup  the same in a control group of 256 MiB (as root, if control groups can be created)
  admin            64 idle sockets and 8 readers of large pages on the admin endpoint
  descriptors      more clients than the limit of open files; then no free file at all for five seconds
  sticky           random ids, refused and accepted, with a map for 1,024 clients
Prints for each attack the honest clients' 99th percentile of a round trip and of a new connection, and the node's memory and
descriptors, before, during and after; fails if a limit of the attack is exceeded. The node has its own core (LB_CPU, default the
last), everything else another (LOAD_CPU, default the first). As root everything runs in its own network namespace. Takes ten minutes.
TEXT
}

PROGRAM= SECONDS_EACH=10 KEEP=0 ATTACKS=()
ARGUMENTS=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --program) PROGRAM=$(realpath "$2"); shift ;;
    --seconds) SECONDS_EACH=$2; shift ;;
    --keep) KEEP=1 ;;
    --help | -h) usage; exit 0 ;;
    -*) echo "attack.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *) [[ " ${ALL[*]} " == *" $1 "* ]] || { echo "attack.sh: no attack $1" >&2; usage >&2; exit 2; }; ATTACKS+=("$1") ;;
    esac
    shift
done
[ ${#ATTACKS[@]} -gt 0 ] || ATTACKS=("${ALL[@]}")

for tool in gcc make openssl curl taskset prlimit awk; do
    command -v "$tool" >/dev/null || { echo "attack.sh: $tool is missing (Debian: gcc make libssl-dev openssl curl util-linux)" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "attack.sh: two cores are needed, one for the node and one for its clients" >&2; exit 1; }
make -s -C "$TESTS/attack"
if [ -z "$PROGRAM" ]; then
    PROGRAM=$ROOT/artifacts/attack/actorlb
    [ -n "${ATTACK_INSIDE:-}" ] || dotnet publish "$ROOT/src/ActorLb.Server" -c Release -o "$ROOT/artifacts/attack" --nologo -v q >&2
fi
if [ -z "${ATTACK_INSIDE:-}" ] && [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    ATTACK_INSIDE=1 exec unshare --net "$BASH" "${BASH_SOURCE[0]}" "${ARGUMENTS[@]}"
fi
if [ -n "${ATTACK_INSIDE:-}" ]; then
    ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="10000 60999" net.core.somaxconn=16384 net.ipv4.tcp_max_syn_backlog=16384 || true
fi
ulimit -n "$(ulimit -Hn)"

BASE=${PORT_BASE:-9300} MQTT=$((BASE + 1)) MQTTS=$((BASE + 2)) WS=$((BASE + 3)) ADMIN=$((BASE + 8)) BROKER=$((BASE + 10)) BROKER2=$((BASE + 11))
LOAD_CPU=${LOAD_CPU:-0} LB_CPU=${LB_CPU:-$(($(nproc) - 1))}
DIR=$(mktemp -d -t actorlb-attack-XXXXXX)
# The attackers get low priority, so that honest clients do not wait for them on the shared core.
ATTACKER="taskset -c $LOAD_CPU nice -n 19 $TESTS/attack/build/attacker"
HONEST="taskset -c $LOAD_CPU $TESTS/attack/build/attacker"
CGROUP= NODE= SAMPLER= BROKERS=() FAILED=0

stop_node() {
    [ -z "$SAMPLER" ] || kill "$SAMPLER" 2>/dev/null || true
    [ -z "$NODE" ] || { kill -QUIT "$NODE" 2>/dev/null || true; wait "$NODE" 2>/dev/null || true; }
    [ -z "$CGROUP" ] || { for _ in 1 2 3 4 5; do rmdir "$CGROUP" 2>/dev/null && break; sleep 0.2; done; }
    NODE= SAMPLER= CGROUP=
}
finish() {
    stop_node
    for pid in "${BROKERS[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
    if [ $KEEP = 1 ]; then echo "kept: $DIR" >&2; else rm -rf "$DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=attack -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>/dev/null
for port in $BROKER $BROKER2; do
    $HONEST broker --port "$port" --seconds 1800 &
    BROKERS+=($!)
done

admin() { curl -s -m 5 "http://127.0.0.1:$ADMIN$1"; }
metric() { admin /metrics | awk -v name="$1" 'index($0, name) == 1 { sum += $NF } END { print sum + 0 }'; }
rss() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$NODE/status"; }
files() { ls "/proc/$NODE/fd" | wc -l; }
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$NODE/stat"; }
value() { sed -n "s/.*\b$2=\(-\?[0-9.]*\).*/\1/p" "$DIR/$1.out"; }
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

# start NAME [SETTINGS] [COMMAND...]: starts a fresh node with additional settings within `actorlb`, optionally through a command.
start() {
    local name=$1 settings=${2:-}
    shift $(($# > 1 ? 2 : 1))
    mkdir -p "$DIR/data"
    cat >"$DIR/$name.conf" <<CONF
actorlb {
  node { name = attacked, workers = 1, max-connections = 9000, data-dir = "$DIR/data", pid-file = off, drain-timeout = 1s }
  log { level = info, access = off }
  admin { bind = "127.0.0.1:$ADMIN" }
  pools.brokers {
    backends = ["127.0.0.1:$BROKER", "127.0.0.1:$BROKER2"]
    health { probe = mqtt, interval = 1s, rise = 1, fall = 2 }
  }
  listeners.mqtt { bind = "127.0.0.1:$MQTT", pool = brokers, deny = ["127.0.0.66"] }
  listeners.mqtts { bind = "127.0.0.1:$MQTTS", pool = brokers, tls { certificate = "$DIR/cert.pem", key = "$DIR/key.pem" } }
  listeners.ws { bind = "127.0.0.1:$WS", pool = brokers, websocket { path = "/mqtt" } }
  $settings
}
CONF
    "$@" taskset -c "$LB_CPU" "$PROGRAM" run -c "$DIR/$name.conf" >"$DIR/$name.log" 2>&1 &
    NODE=$!
    for _ in $(seq 100); do
        [ "$(admin /readyz)" != ready ] || { sleep 1; return; }
        kill -0 "$NODE" 2>/dev/null || break
        sleep 0.1
    done
    echo "attack.sh: the node does not start" >&2
    tail -n 5 "$DIR/$name.log" >&2
    exit 1
}

# Records the maximum of memory and descriptors until it is killed.
sample() {
    local most=0 mostfiles=0 now
    while kill -0 "$NODE" 2>/dev/null; do
        now=$(rss) && [ "${now:-0}" -gt $most ] && most=$now
        now=$(files) && [ "$now" -gt $mostfiles ] && mostfiles=$now
        echo "rss=$most files=$mostfiles" >"$DIR/during-node.out"
        sleep 0.3
    done
}

fail() { echo "  FAILED $NAME: $*"; FAILED=1; }

# attack NAME REST HONEST -- COMMAND...: runs honest clients before the command, during it, and REST seconds after its end.
attack() {
    local name=$1 rest=$2 honest=$3
    shift 4
    $HONEST honest $honest --seconds 2 >"$DIR/warm.out"
    $HONEST honest $honest --seconds 4 >"$DIR/before.out"
    echo "rss=$(rss) files=$(files)" >"$DIR/before-node.out"
    sample &
    SAMPLER=$!
    $HONEST honest $honest --seconds "$((SECONDS_EACH + 2))" >"$DIR/during.out" &
    local beside=$!
    sleep 1
    "$@" >"$DIR/attack.out" || fail "the attack itself: $(cat "$DIR/attack.out")"
    wait "$beside"
    kill "$SAMPLER" 2>/dev/null || true
    wait "$SAMPLER" 2>/dev/null || true
    SAMPLER=
    sleep "$rest"
    echo "rss=$(rss) files=$(files)" >"$DIR/after-node.out"
    $HONEST honest $honest --seconds 4 >"$DIR/after.out"
    local line
    line=$(printf '%-16s' "$name")
    for what in trip_p99_ms connect_p99_ms; do line+=$(printf ' %7s %7s %7s  ' "$(value before $what)" "$(value during $what)" "$(value after $what)"); done
    for what in rss files; do line+=$(printf ' %5s %5s %5s  ' "$(value before-node $what)" "$(value during-node $what)" "$(value after-node $what)"); done
    echo "$line $(cat "$DIR/attack.out" | tr '\n' ' ')"
}

# within WHAT FACTOR LEAST: checks that it is at most FACTOR times its value before the attack; below LEAST (ms) it always passes.
within() {
    local bound
    bound=$(awk -v b="$(value before "$1")" -v f="$2" -v l="$3" 'BEGIN { print (b * f > l ? b * f : l) }')
    above "$(value during "$1")" "$bound" && fail "$1 is $(value during "$1") during the attack, more than $bound" || true
}
nobody_lost() { [ "$(value during lost)" = 0 ] || fail "$(value during lost) honest clients lost their connection"; }
nobody_refused() { [ "$(value during failed)" = 0 ] || fail "$(value during failed) new honest clients of $(($(value during connects) + $(value during failed))) were not let in"; }
memory_within() { above "$(value during-node rss)" "$1" && fail "$(value during-node rss) MiB during the attack, more than $1" || true; }
memory_back() { above "$(value after-node rss)" $(($(value before-node rss) + $1)) && fail "$(value after-node rss) MiB after the attack, $1 more than before" || true; }

run_pings() {
    start "$1"
    attack "$1" 3 "--port $MQTT --clients 100" -- $ATTACKER pings --port $WS --clients 20 --seconds "$SECONDS_EACH" $2
    within trip_p99_ms 5 15
    within connect_p99_ms 5 40
    nobody_lost
    nobody_refused
    memory_within $(($(value before-node rss) + 100))
}
run_pings-before() { run_pings pings-before ""; }
run_pings-after() { run_pings pings-after --after; }

run_glued() {
    start glued
    attack glued 1 "--port $MQTT --clients 20" -- $ATTACKER glued --port $WS --clients 124
    [ "$(value attack answered)" = "$(value attack of)" ] || fail "$(value attack answered) of $(value attack of) got a CONNACK"
}

run_silent() {
    start silent "node.max-connections = 1200"
    attack silent 3 "--port $MQTT --clients 20" -- $ATTACKER silent --port $MQTT --clients 1300 --from 127.0.0.66 --seconds "$SECONDS_EACH"
    nobody_lost
    nobody_refused
    within connect_p99_ms 5 40
    above "$(value during-node files)" $(($(value before-node files) + 400)) && fail "the denied clients keep their descriptors" || true
}

run_hellos() {
    start "$1"
    attack "$1" 12 "--port $MQTTS --tls --clients 0 --rate 50" -- $ATTACKER hellos --port $MQTTS --rate "$2" --seconds "$SECONDS_EACH"
    nobody_refused
    within connect_p50_ms 2 6
    within connect_p99_ms 5 60
    memory_back 48
}
run_hellos-300() { run_hellos hellos-300 300; }
run_hellos-1000() { run_hellos hellos-1000 1000; }

check_connects() {
    nobody_lost
    nobody_refused
    within trip_max_ms 5 1000
    within connect_max_ms 5 1500
    memory_within "$1"
    memory_back 32
    [ "$(metric actorlb_setup_memory_bytes)" = 0 ] || fail "$(metric actorlb_setup_memory_bytes) bytes are still counted"
}

run_connects() {
    start connects
    attack connects 60 "--port $MQTT --clients 50" -- $ATTACKER connects --port $MQTT --clients 2000 --size 983135 --seconds "$SECONDS_EACH"
    check_connects 512
}

run_connects-cgroup() {
    local group
    group=/sys/fs/cgroup$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
    [ ! -e /sys/fs/cgroup/memory ] || group=/sys/fs/cgroup/memory$(awk -F: '$2 ~ /(^|,)memory(,|$)/ { print $3 }' /proc/self/cgroup)
    CGROUP=$group/actorlb-attack-$$
    if ! mkdir "$CGROUP" 2>/dev/null; then
        echo "connects-cgroup  left out: no control group can be made here"
        CGROUP=
        return
    fi
    local limit=$CGROUP/memory.max
    [ -e "$limit" ] || limit=$CGROUP/memory.limit_in_bytes
    if ! echo $((256 << 20)) >"$limit" 2>/dev/null; then
        echo "connects-cgroup  left out: the control group takes no limit of memory"
        return
    fi
    start connects-cgroup "" sh -c "echo \$\$ >'$CGROUP/cgroup.procs'; exec \"\$@\"" sh
    attack connects-cgroup 60 "--port $MQTT --clients 50" -- $ATTACKER connects --port $MQTT --clients 2000 --size 983135 --seconds "$SECONDS_EACH"
    check_connects 240
}

admin_attack() {
    $ATTACKER silent --port "$ADMIN" --clients 64 --seconds "$SECONDS_EACH" >/dev/null &
    local idle=$!
    $ATTACKER readers --port "$ADMIN" --clients 8 --seconds "$SECONDS_EACH" &
    local readers=$! most=0 took refused=0
    sleep 1
    for _ in $(seq $(((SECONDS_EACH - 2) * 2))); do
        took=$(curl -s -m 5 -o /dev/null -w '%{http_code} %{time_total}' "http://127.0.0.1:$ADMIN/healthz" || true)
        [ "${took%% *}" = 200 ] || refused=$((refused + 1))
        above "${took##* }" "$most" && most=${took##* }
        sleep 0.4
    done
    wait "$idle" "$readers"
    echo "healthz_max_s=$most healthz_failed=$refused"
}
run_admin() {
    start admin
    $ATTACKER longs --port $MQTT --clients 100 --seconds $((SECONDS_EACH + 25)) >"$DIR/longs.out" &
    local longs=$!
    sleep 1
    attack admin 3 "--port $MQTT --clients 20" -- admin_attack
    kill "$longs" 2>/dev/null || true
    wait "$longs" 2>/dev/null || true
    [ "$(value attack healthz_failed)" = 0 ] || fail "/healthz did not answer $(value attack healthz_failed) times"
    above "$(value attack healthz_max_s)" 1 && fail "/healthz took $(value attack healthz_max_s) s" || true
    memory_within $(($(value before-node rss) + 200))
    above "$(stat -c %s "$DIR/admin.log")" 1000000 && fail "the log has $(stat -c %s "$DIR/admin.log") bytes" || true
}

descriptor_attack() {
    # First half: as many clients as the node accepts. Second half: no file can be opened at all.
    local half=$((SECONDS_EACH / 2)) start health
    $ATTACKER silent --port $MQTT --clients 800 --seconds $half >/dev/null &
    local clients=$!
    sleep $((half - 1))
    health=$(admin /healthz) || true
    wait $clients
    prlimit --pid "$NODE" --nofile=30:600
    start=$(ticks)
    $ATTACKER silent --port $MQTT --clients 50 --seconds $half >/dev/null &
    clients=$!
    $ATTACKER silent --port "$ADMIN" --clients 5 --seconds $half >/dev/null
    wait $clients
    local used=$((($(ticks) - start) * 100 / $(getconf CLK_TCK) / half))
    prlimit --pid "$NODE" --nofile=600:600
    echo "health=$health cpu=$used"
}
run_descriptors() {
    start descriptors "" prlimit --nofile=600:600
    attack descriptors 3 "--port $MQTT --clients 20 --rate 5" -- descriptor_attack
    grep -q 'health=ok' "$DIR/attack.out" || fail "the admin endpoint did not answer while clients had all files"
    above "$(value attack cpu)" 50 && fail "$(value attack cpu) % of a core were used without a file to open" || true
    nobody_lost
    [ "$(metric actorlb_backend_up)" = 2 ] || fail "a healthy broker is down"
    ! grep -q 'is down' "$DIR/descriptors.log" || fail "a healthy broker was found down: $(grep -m 1 'is down' "$DIR/descriptors.log")"
    [ "$(value after failed)" = 0 ] || fail "$(value after failed) new clients were not let in afterwards"
    above "$(grep -c . "$DIR/descriptors.log")" 100 && fail "the log has $(grep -c . "$DIR/descriptors.log") lines" || true
}

sticky_attack() {
    local half=$((SECONDS_EACH / 2)) kept=0 id
    $ATTACKER ids --port $MQTT --prefix bad --rate 2000 --seconds $half
    $ATTACKER ids --port $MQTT --prefix good --rate 2000 --seconds $half
    for id in $(seq 0 49); do
        admin "/api/v1/sticky?client=honest-$id" | tr -d ' ' | grep -q '"backend":"' && kept=$((kept + 1))
    done
    echo "kept=$kept entries=$(metric actorlb_sticky_entries)"
}
run_sticky() {
    start sticky "sticky.max-entries = 1024, pools.brokers.balance = sticky"
    attack sticky 3 "--port $MQTT --clients 50 --prefix honest" -- sticky_attack
    [ "$(value attack kept)" = 50 ] || fail "$(value attack kept) of 50 connected clients kept their entry"
    nobody_lost
    nobody_refused
}

printf '%-16s %-25s  %-25s  %-18s  %-18s\n' "" "round trip p99 (ms)" "new connection p99 (ms)" "memory (MiB)" "descriptors"
printf '%-16s %7s %7s %7s   %7s %7s %7s   %5s %5s %5s   %5s %5s %5s\n' attack before during after before during after before during after before during after
for NAME in "${ATTACKS[@]}"; do
    "run_$NAME"
    kill -0 "${NODE:-$$}" 2>/dev/null || fail "the node ended: $(tail -n 1 "$DIR/$NAME.log")"
    stop_node
done
exit $FAILED
