# Sourced by deploy/quickstart.sh and deploy/fleet.sh, which set $script to their name first. Starts brokers and nodes on this machine, waits
# for them, and stops them.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/deploy/install.sh"
PATH=$PATH:/usr/sbin:/sbin

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' green='' red='' plain=''; fi
step() { printf '%s\n' "${bold}$*${plain}"; }

# fail MESSAGE: ends the script. The logs are kept: see cleanup.
fail() { printf '%s\n' "${red}$script: $*${plain}" >&2; exit 1; }

# arguments "$@": sets $once, also if there is no terminal. The help text is the comment at the top of the script.
arguments() {
  once=no
  [ -t 1 ] || once=yes
  local argument
  for argument in "$@"; do
    case $argument in
      --once) once=yes ;;
      -h|--help) sed -n '2,/^[^#]/{/^[^#]/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
      *) echo "$script: unknown argument $argument (see --help)" >&2; exit 2 ;;
    esac
  done
}

# begin: creates $work, the folder for configurations and logs, and stops everything when the script ends.
started=() keep=no
begin() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-$script.XXXXXX") || exit 1
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Stops what was started, in reverse order, by process id; nodes get time to drain and to leave their fleet. After a failure, but not after a
# signal, the logs are kept.
cleanup() {
  local code=$? i
  trap - EXIT INT TERM
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill "${started[i]}" 2>/dev/null && end_of "${started[i]}"
  done
  case $code in 0|130|143) ;; *) keep=yes ;; esac
  if [ $keep = yes ]; then
    printf '%s\n' "$script: the logs are kept in $work:" >&2
    (cd "$work" && ls -- *.log 2>/dev/null | sed 's/^/  /') >&2
  else
    rm -rf "$work"
  fi
}

end_of() {
  local tries
  for tries in $(seq 200); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_for PORT: sets $REPLY to that port if it is free, otherwise to a free one below the range that the kernel uses for outgoing connections.
given=' '
port_for() {
  local port=$1
  while listening "$port" || [[ $given == *" $port "* ]]; do port=$((20000 + RANDOM % 10000)); done
  given="$given$port "
  REPLY=$port
}

# await PID COMMAND...: waits until the command succeeds; gives up when the process ends, or after 30 s.
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

# ready PORT: whether the node with that admin port accepts clients.
ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$1/readyz" 2>/dev/null; }

# build PROJECT
build() {
  command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
  dotnet build "$root/src/$1" -c Release --nologo -v q "-clp:ErrorsOnly;NoSummary" -nodeReuse:false -p:UseSharedCompilation=false \
    || fail "the build of $1 failed"
}

# start NAME COMMAND...: runs it in the background with its output in $work/NAME.log; sets $REPLY to its process id.
start() {
  local name=$1
  shift
  "$@" > "$work/$name.log" 2>&1 &
  REPLY=$!
  started+=("$REPLY")
}

# came_up NAME PID COMMAND...: waits as await does; on failure shows the end of the log and ends the script.
came_up() {
  local name=$1
  shift
  await "$@" && return 0
  tail -n 40 "$work/$name.log" >&2
  if kill -0 "$1" 2>/dev/null; then fail "$name did not come up within 30 s"; else fail "$name has ended instead of coming up"; fi
}

# brokers FIRST-PORT SETTING...: starts three mosquitto brokers; sets $broker_ports to their ports and $backends to the same as HOCON.
broker_ports=() backends=''
brokers() {
  local first=$1 i port
  shift
  step "Starting three mosquitto brokers"
  for i in 0 1 2; do
    port_for $((first + i)); port=$REPLY
    broker_ports+=("$port")
    backends="$backends${backends:+, }\"127.0.0.1:$port\""
    printf '%s\n' "listener $port 127.0.0.1" 'allow_anonymous true' 'persistence false' "$@" > "$work/mosquitto$i.conf"
    start "mosquitto$i" mosquitto -c "$work/mosquitto$i.conf"
    came_up "mosquitto$i" "$REPLY" listening "$port"
    echo "  127.0.0.1:$port"
  done
}
