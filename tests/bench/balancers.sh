# The balancers under test: how to start and stop each, and which processes belong to it.
# Sourced by run.sh, which sets DIR, ROOT, LB_CPU, the ports and ACTORLB_DLL. Each balancer has its own port.

port_of() {
    case $1 in nginx) echo $((PORT_BASE + 1)) ;; haproxy) echo $((PORT_BASE + 2)) ;; actorlb) echo $((PORT_BASE + 3)) ;; relay) echo $((PORT_BASE + 6)) ;; streams) echo $((PORT_BASE + 7)) ;; esac
}

# render BALANCER GROUP: writes the configuration with its placeholders filled in and prints the path.
render() {
    local to="$DIR/$1-$2.conf" from=$1 admin=$((PORT_BASE + 5)) plane=reactor
    [ "$1" != streams ] || from=actorlb admin=$((PORT_BASE + 8)) plane=streams
    sed -e "s|@PORT@|$(port_of "$1")|g" -e "s|@PORT2@|$((PORT_BASE + 4))|g" -e "s|@ADMIN@|$admin|g" -e "s|@PLANE@|$plane|g" -e "s|@NAME@|$1|g" \
        -e "s|@BACKEND@|$BACKEND_PORT|g" -e "s|@WS_BACKEND@|$WS_BACKEND_PORT|g" -e "s|@DIR@|$DIR|g" \
        -e "s|@NOFILE@|$(ulimit -Hn)|g" -e "s|@NGINX_BUFFER@|${NGINX_BUFFER:-16k}|g" "$BENCH/conf/$from-$2.conf" >"$to"
    echo "$to"
}

declare -A LB_PID=()

start_nginx() { exec taskset -c "$LB_CPU" nginx -p "$DIR" -c "$1"; }
start_haproxy() { exec taskset -c "$LB_CPU" haproxy -db -f "$1"; }
start_actorlb() { DOTNET_gcServer=0 exec taskset -c "$LB_CPU" dotnet "$ACTORLB_DLL" run -c "$1"; }
start_streams() { start_actorlb "$@"; }
# These have no configuration file.
start_relay() {
    local backend=$BACKEND_PORT
    [ "$2" != ws ] || backend=$WS_BACKEND_PORT
    exec taskset -c "$LB_CPU" "$BENCH/build/load" relay --port "$(port_of relay)" --backend "$backend"
}

# start BALANCER GROUP: returns once the port accepts connections.
start() {
    local conf=
    [ "$1" = relay ] || conf=$(render "$1" "$2")
    ("start_$1" "$conf" "$2") >"$DIR/$1-$2.log" 2>&1 &
    LB_PID[$1]=$!
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$(port_of "$1")") 2>/dev/null; then return 0; fi
        kill -0 "${LB_PID[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    echo "$1 did not start with $conf:" >&2
    tail -n 20 "$DIR/$1-$2.log" >&2
    return 1
}

stop() {
    [ -n "${LB_PID[$1]:-}" ] || return 0
    kill "${LB_PID[$1]}" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "${LB_PID[$1]}" 2>/dev/null || break; sleep 0.05; done
    kill -9 "${LB_PID[$1]}" 2>/dev/null || true
    wait "${LB_PID[$1]}" 2>/dev/null || true
    unset "LB_PID[$1]"
}

# pids BALANCER: itself and its children (NGINX's worker), comma separated.
pids() { { echo "${LB_PID[$1]}"; pgrep -P "${LB_PID[$1]}" || true; } | paste -sd, -; }
