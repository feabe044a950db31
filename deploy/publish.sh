# Sourced by deploy/build-deb.sh and deploy/build-tarball.sh, which set $script to their name first. Publishes the programs with the runtime in
# one folder, and generates files from them.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { echo "$script: $*" >&2; exit 1; }

# arguments "$@": sets $version, $programs, $output and $architecture. The help text is the comment at the top of the script.
arguments() {
  version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$root/Directory.Build.props")
  programs='' output=$root/out architecture=''
  while [ $# -gt 0 ]; do
    case $1 in
      -o|--output) output=${2:?"$1 needs a folder"}; shift ;;
      --version) version=${2:?"$1 needs a version"}; shift ;;
      --programs) programs=${2:?"$1 needs a folder"}; shift ;;
      --architecture) architecture=${2:?"$1 needs amd64 or arm64"}; shift ;;
      -h|--help) sed -n '2,/^[^#]/{/^[^#]/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
      *) echo "$script: unknown argument $1 (see --help)" >&2; exit 2 ;;
    esac
    shift
  done
  [[ $version =~ ^[0-9][0-9A-Za-z.+~]*$ ]] || fail "'$version' is no version"
  case ${architecture:=$(case $(uname -m) in aarch64) echo arm64 ;; *) echo amd64 ;; esac)} in
    amd64) runtime=linux-x64 ;;
    arm64) runtime=linux-arm64 ;;
    *) fail "the architecture is amd64 or arm64, not $architecture" ;;
  esac
  mkdir -p "$output" || exit 1
  output=$(cd "$output" && pwd)
  work=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-$script.XXXXXX") || exit 1
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# publish: sets $programs to a folder with actorlb, pbm, and one runtime for both, unless --programs has set it.
publish() {
  [ -z "$programs" ] || { [ -x "$programs/actorlb" ] && [ -x "$programs/pbm" ] || fail "no actorlb and pbm in $programs"; return 0; }
  command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
  programs=$work/programs
  local project
  # The server last, because its publish compiles the shared assemblies ahead of time. Nothing is left in the source tree.
  for project in ActorLb.Cli ActorLb.Server; do
    echo "Publishing $project for $runtime"
    dotnet publish "$root/src/$project" -c Release -r "$runtime" --self-contained -o "$programs" --artifacts-path "$work/artifacts" \
      -p:Version="${version%%[+~]*}" -p:SatelliteResourceLanguages=en --nologo -v q "-clp:ErrorsOnly;NoSummary" -nodeReuse:false \
      -p:UseSharedCompilation=false || fail "$project could not be published"
  done
  find "$programs" -type d -exec chmod 755 {} + -o -type f -exec chmod a+r,u+w,go-w {} +
}
