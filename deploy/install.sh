# Sourced by tests/run.sh and deploy/common.sh.
#
# need COMMAND:PACKAGE... installs the Debian packages of missing commands (or files, if there is a slash), without
# starting their services. If nothing is missing, it needs neither root nor the network.
need() {
  local pair command packages=()
  local PATH=$PATH:/usr/sbin:/sbin
  for pair in "$@"; do
    command=${pair%%:*}
    case $command in
      */*) [ -e "$command" ] || packages+=("${pair#*:}") ;;
      *) command -v "$command" >/dev/null || packages+=("${pair#*:}") ;;
    esac
  done
  [ ${#packages[@]} -eq 0 ] && return 0

  echo "Installing: ${packages[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "Missing, and there is no apt-get to install them: ${packages[*]}" >&2
    return 1
  fi
  local as=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Missing, and neither root nor sudo to install them: ${packages[*]}" >&2; return 1; }
    as=(sudo)
  fi

  # Policy 101 keeps a package's scripts from starting its service (policy-rc.d(8)); an existing policy is restored afterwards.
  local policy=/usr/sbin/policy-rc.d kept='' code=0
  if [ -e $policy ]; then
    kept=$policy.actorlb-kept
    ${as[@]+"${as[@]}"} mv $policy $kept
  fi
  printf '#!/bin/sh\nexit 101\n' | ${as[@]+"${as[@]}"} tee $policy >/dev/null
  ${as[@]+"${as[@]}"} chmod 755 $policy
  { ${as[@]+"${as[@]}"} apt-get update -qq &&
    ${as[@]+"${as[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; } || code=1
  ${as[@]+"${as[@]}"} rm -f $policy
  [ -n "$kept" ] && ${as[@]+"${as[@]}"} mv $kept $policy
  [ $code -eq 0 ] || echo "Could not install: ${packages[*]}" >&2
  return $code
}
