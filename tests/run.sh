#!/usr/bin/env bash
# Builds the solution and runs every test against real brokers and clients. Installs what is missing (Debian, root or sudo).
#
#   tests/run.sh [--fast] [--project NAME]... [--no-install] [-- RUNNER-ARGUMENTS]
#
#   --fast          leaves out the tests marked slow, the second data plane and the system tests
#   --project NAME  only that project, e.g. Tests, Protocol.Tests, FunctionalTests, SystemTests; may be repeated
#   --no-install    installs nothing
#   RUNNER-ARGUMENTS are passed to each project's runner, e.g. -class ActorLb.Tests.X
#
# If at most three tests failed, each is run again by itself while the machine is quiet. A test that passes then depends on what else is running:
# it counts as passed and is named above the last line.
# The last line is "N passed, N failed, N skipped"; the exit code is 0 only if nothing failed and every project ran tests.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/deploy/install.sh"

fast=no install=yes projects=() runner=()
while [ $# -gt 0 ]; do
  case $1 in
    --fast) fast=yes ;;
    --no-install) install=no ;;
    --project) projects+=("${2:?--project needs a name}"); shift ;;
    --project=*) projects+=("${1#*=}") ;;
    --) shift; runner=("$@"); break ;;
    -h|--help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "tests/run.sh: unknown argument $1 (see --help)" >&2; exit 2 ;;
  esac
  shift
done

all=(ActorLb.Protocol.Tests ActorLb.Tests ActorLb.FunctionalTests ActorLb.SystemTests)
selected=()
if [ ${#projects[@]} -gt 0 ]; then
  for name in "${projects[@]}"; do
    name=ActorLb.${name#ActorLb.}
    case " ${all[*]} " in
      *" $name "*) selected+=("$name") ;;
      *) echo "tests/run.sh: no project $name; there are: ${all[*]}" >&2; exit 2 ;;
    esac
  done
else
  for name in "${all[@]}"; do
    [ $fast = yes ] && [ "$name" = ActorLb.SystemTests ] || selected+=("$name")
  done
fi

logs=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-run.XXXXXX")
trap 'rm -rf "$logs"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

if [ $install = yes ]; then
  need mosquitto:mosquitto mosquitto_pub:mosquitto-clients \
    nginx:nginx haproxy:haproxy chromium:chromium /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core \
    epmd:rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server:rabbitmq-server \
    /usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream \
    node:nodejs npm:npm openssl:openssl promtool:prometheus gcc:gcc ip:iproute2 ps:procps setsid:util-linux stdbuf:coreutils curl:curl \
    kubectl:kubernetes-client keepalived:keepalived systemd-analyze:systemd strace:strace || exit 1
fi
command -v dotnet >/dev/null || { echo "tests/run.sh: the .NET 10 SDK is missing (dotnet)" >&2; exit 1; }

peers=$root/tests/ActorLb.Testing/aedes
if [ ! -d "$peers/node_modules" ] || [ "$peers/package.json" -nt "$peers/node_modules" ]; then
  echo "Installing the npm packages of the test peers"
  (cd "$peers" && npm install --no-package-lock --no-audit --no-fund --silent && touch node_modules) \
    || { echo "tests/run.sh: npm install failed in $peers" >&2; exit 1; }
fi

echo "Building (Release)"
if ! dotnet build "$root/ActorLb.sln" -c Release --nologo -v q "-clp:ErrorsOnly;NoSummary" -nodeReuse:false -p:UseSharedCompilation=false; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi

# Spaces and line ends, which the rules of the build do not cover. `dotnet format` fixes them.
echo "Checking the format"
if ! dotnet format whitespace "$root/ActorLb.sln" --no-restore --verify-no-changes; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi

# The system tests run the program as it is delivered, compiled ahead of time: a node that has to compile code during a fault would keep its
# peers waiting.
actorlb=''
case " ${selected[*]} " in
  *" ActorLb.SystemTests "*)
    echo "Publishing the server"
    if ! dotnet publish "$root/src/ActorLb.Server" -c Release -o "$logs/actorlb" --nologo -v q "-clp:ErrorsOnly;NoSummary" -nodeReuse:false \
      -p:UseSharedCompilation=false; then
      echo "0 passed, 1 failed, 0 skipped"
      exit 1
    fi
    actorlb=$logs/actorlb/actorlb ;;
esac

passed=0 failed=0 skipped=0 failures=()

# Adds up the runner's own report: <assembly total= passed= failed= skipped= errors= ...>
count() {
  sed -n 's/.*<assembly [^>]*[[:space:]]'"$2"'="\([0-9]*\)".*/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }'
}

# start NAME TITLE RUNNER-ARGUMENTS... runs a project's tests in the background; ended TITLE waits for them, reports and adds up the results.
declare -A process started
start() {
  local name=$1 title=$2
  shift 2
  [ $fast = yes ] && set -- "$@" -trait- "speed=slow"
  started[$title]=$SECONDS
  # Records when this runner ends; another one may still be running then.
  (
    ACTORLB=$actorlb "$root/tests/$name/bin/Release/net10.0/$name" -noLogo -noColor -xml "$logs/$title.xml" "$@" > "$logs/$title.log" 2>&1
    code=$?
    echo "$SECONDS" > "$logs/$title.end"
    exit $code
  ) &
  process[$title]=$!
}

ended() {
  local title=$1 report=$logs/$1.xml code p f s e
  wait "${process[$title]}"
  code=$?
  echo
  echo "== $title"
  if [ ! -s "$report" ]; then
    cat "$logs/$title.log"
    echo "-- $title ended with exit code $code and no report"
    failed=$((failed + 1))
    return
  fi
  p=$(count "$report" passed) f=$(count "$report" failed) s=$(count "$report" skipped) e=$(count "$report" errors)
  f=$((f + e))
  if [ $((p + f)) -eq 0 ]; then
    echo "-- $title ran no test"
    f=1
  elif [ $code -ne 0 ] && [ $f -eq 0 ]; then
    echo "-- $title ended with exit code $code although no test failed"
    f=1
  fi
  [ $f -gt 0 ] && grep -v -e '^  *Discover' -e '^  *Starting:' -e '^  *Finished:' "$logs/$title.log"
  while read -r n test; do failures+=("$title|$test|$n"); done < <(grep -o '<test [^>]*result="Fail"[^>]*>' "$report" \
    | sed 's/.* type="\([^"]*\)".* method="\([^"]*\)".*/\1.\2/' | sort | uniq -c)
  echo "-- $title: $p passed, $f failed, $s skipped in $(($(cat "$logs/$title.end") - ${started[$title]})) s"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for name in "${selected[@]}"; do
  if [ $fast = yes ] || [ ${#runner[@]} -gt 0 ]; then
    start "$name" "$name" ${runner[@]+"${runner[@]}"}
    ended "$name"
    continue
  fi
  case $name in
    # Tests of whole fleets spend most of their time waiting for failure detectors, gossip and time-outs. They run meanwhile in their own
    # process, several at once, so that their threads and memory do not affect other tests.
    ActorLb.Tests)
      start "$name" "$name on fleets" -trait "place=beside"
      start "$name" "$name" -trait- "place=beside"
      ended "$name"
      ended "$name on fleets" ;;
    # The same tests for both data planes; tests of features that the streams plane lacks skip themselves.
    ActorLb.FunctionalTests)
      start "$name" "$name"
      ended "$name"
      ACTORLB_TEST_DATA_PLANE=streams start "$name" "$name on streams" -namespace "ActorLb.FunctionalTests.Proxying*" \
        -namespace ActorLb.FunctionalTests.Hosting -namespace ActorLb.FunctionalTests.Telemetry
      ended "$name on streams" ;;
    *)
      start "$name" "$name"
      ended "$name" ;;
  esac
done

# passes_alone TITLE METHOD
passes_alone() {
  local name=${1%% *} log=$logs/again plane=reactor
  [ "${1#* on }" = streams ] && plane=streams
  if ACTORLB=$actorlb ACTORLB_TEST_DATA_PLANE=$plane "$root/tests/$name/bin/Release/net10.0/$name" -noLogo -noColor -xml "$log.xml" -method "$2" \
    > "$log.log" 2>&1 && [ "$(count "$log.xml" passed)" -gt 0 ]; then
    return 0
  fi
  echo
  echo "== $1, again: $2"
  cat "$log.log"
  return 1
}

echo
if [ $failed -le 3 ]; then
  for failure in ${failures[@]+"${failures[@]}"}; do
    IFS='|' read -r title test n <<< "$failure"
    passes_alone "$title" "$test" || continue
    echo "$test ($title) failed, and passed when it was run again by itself"
    passed=$((passed + n)) failed=$((failed - n))
  done
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
