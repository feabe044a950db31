#!/usr/bin/env bash
# Builds the tarball and the Debian package, and tests the package's life cycle in a clean Debian created by debootstrap: it is installed, started
# with its unit's commands as its user, serves clients, is upgraded to a higher version while running and keeps its configuration, is removed,
# and is purged without leaving anything.
#
#   tests/package.sh [--programs FOLDER] [--root FOLDER]
#
#   --programs FOLDER  packages already published programs instead of publishing them
#   --root FOLDER      copies an existing clean root, created by "debootstrap --variant=minbase --include=adduser,libssl3"
#
# Needs root, and Debian with access to its mirror. The test has its own namespaces for network, processes and mounts.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/deploy/install.sh"
PATH=$PATH:/usr/sbin:/sbin

fail() { echo "tests/package.sh: FAILED: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "  ok  $*"; }

if [ "${1:-}" != --inside ]; then
  programs='' clean=''
  while [ $# -gt 0 ]; do
    case $1 in
      --programs) programs=${2:?"$1 needs a folder"}; shift ;;
      --root) clean=${2:?"$1 needs a folder"}; shift ;;
      -h|--help) sed -n '2,/^[^#]/{/^[^#]/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
      *) echo "tests/package.sh: unknown argument $1 (see --help)" >&2; exit 2 ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || fail "needs root, for chroot and namespaces"
  need debootstrap:debootstrap dpkg-deb:dpkg curl:curl mosquitto:mosquitto ip:iproute2 unshare:util-linux logrotate:logrotate || exit 1
  work=$(mktemp -d "${TMPDIR:-/tmp}/actorlb-package.XXXXXX") || exit 1
  trap 'rm -rf --one-file-system "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  echo "Tarball"
  mkdir "$work/out"
  "$root/deploy/build-tarball.sh" -o "$work/out" --version 1.0.0 ${programs:+--programs "$programs"} || fail "no tarball"
  tar -C "$work" -xzf "$work"/out/actorlb-1.0.0-*.tar.gz || fail "the tarball cannot be unpacked"
  env -i "$work/actorlb-1.0.0/bin/actorlb" check --portable -c "$work/actorlb-1.0.0/etc/actorlb.conf" >/dev/null || fail "the tarball's program does not accept its configuration"
  env -i "$work/actorlb-1.0.0/bin/pbm" --version >/dev/null || fail "the tarball's pbm does not run"
  grep -q '^ExecStart=/opt/actorlb/bin/actorlb ' "$work/actorlb-1.0.0/actorlb.service" || fail "the tarball's unit names another program"
  ok "unpacked, both programs run, the configuration is accepted"

  echo "Packages"
  export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1
  "$root/deploy/build-deb.sh" -o "$work/out" --version 1.0.0 --programs "$work/actorlb-1.0.0/lib" || fail "no package"
  # The next version has a different default configuration too.
  dpkg-deb -R "$work"/out/actorlb_1.0.0_*.deb "$work/next" && sed -i 's/^Version: .*/Version: 1.0.1/' "$work/next/DEBIAN/control" \
    && echo '# Of the next version.' >> "$work/next/etc/actorlb/actorlb.conf" \
    && dpkg-deb --root-owner-group -b "$work/next" "$work/out/next.deb" >/dev/null || fail "no package of a higher version"
  mv "$work"/out/actorlb_1.0.0_*.deb "$work/out/first.deb"
  rm -rf "$work/next" "$work/actorlb-1.0.0"

  echo "Clean root"
  if [ -n "$clean" ]; then
    cp -a "$clean" "$work/root" || exit 1
  else
    debootstrap --variant=minbase --include=adduser,libssl3 bookworm "$work/root" > "$work/debootstrap.log" 2>&1 \
      || { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap"; }
  fi
  unshare --mount --net --pid --fork --kill-child --mount-proc bash "$0" --inside "$work"
  exit
fi

work=$2 fs=$2/root
mount -t proc proc "$fs/proc" && mount -t tmpfs tmpfs "$fs/run" && mount -t tmpfs tmpfs "$fs/tmp" && mount --rbind /dev "$fs/dev" || fail "mounts"
ip link set lo up || fail "the namespace's loopback"
cp "$work"/out/*.deb "$fs/tmp/" || exit 1
in_root() { chroot "$fs" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" < /dev/null; }

# All files except those in which dpkg and the account tools keep their state.
files() {
  (cd "$fs" && find . -xdev -path ./var/lib/dpkg -prune -o -path ./var/log/dpkg.log -prune -o -path './etc/*-' -prune -o -printf '%p %M %u:%g\n' | sort)
  (cd "$fs/etc" && cat passwd group shadow gshadow subuid subgid)
}

# until COMMAND...: waits until it succeeds, at most 60 s.
until_true() {
  local tries
  for tries in $(seq 600); do "$@" && return 0; sleep 0.1; done
  return 1
}
ready() { curl -fsS -m 5 -o /dev/null http://127.0.0.1:8888/readyz 2>/dev/null; }
served() { in_root actorlb bench conn -c 5 -h 127.0.0.1 -p 1883 --hold 0s > "$work/bench.log" 2>&1 || { cat "$work/bench.log" >&2; fail "$1"; }; }
pid() { tr -cd 0-9 < "$fs/run/actorlb/actorlb.pid"; }
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

files > "$work/before"
echo "Install"
in_root dpkg -i /tmp/first.deb > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -i"; }
in_root dpkg --verify actorlb || fail "the installed files are not those of the package"
[ "$(in_root stat -c '%A %U:%G' /etc/actorlb)" = 'drwxr-x--- root:actorlb' ] || fail "/etc/actorlb: $(in_root stat -c '%A %U:%G' /etc/actorlb)"
in_root actorlb check --portable >/dev/null || fail "the configuration of the package is not accepted"
for file in bash-completion/completions/actorlb bash-completion/completions/pbm; do bash -n "$fs/usr/share/$file" || fail "$file"; done
for page in actorlb pbm; do zcat "$fs/usr/share/man/man8/$page.8.gz" | grep -q '^\.SH NAME' || fail "the manual page of $page"; done
sed 's/\bactorlb actorlb$/root root/' "$fs/etc/logrotate.d/actorlb" > "$work/logrotate.conf"
logrotate -d -s "$work/logrotate.state" "$work/logrotate.conf" > "$work/logrotate.log" 2>&1 && ! grep -q '^error' "$work/logrotate.log" \
  || { cat "$work/logrotate.log" >&2; fail "logrotate"; }
ok "installed: programs, configuration, unit, completions, manual pages, logrotate"

echo "Service"
mosquitto -p 1884 > "$work/mosquitto.log" 2>&1 &
conf=$fs/etc/actorlb/actorlb.conf
sed -i -e '/"emqx[23]\./d' -e 's/"emqx1[^"]*"/"127.0.0.1:1884"/' -e 's/# log.access/log.access/' "$conf" && echo '# The administrator was here.' >> "$conf"
unit=$fs/lib/systemd/system/actorlb.service
of_unit() { sed -n "s/^$1=//p" "$unit"; }
user=$(of_unit User)
for kind in Runtime:run State:var/lib Logs:var/log; do
  install -d -m "$(of_unit "${kind%%:*}DirectoryMode" | grep . || echo 755)" "$fs/${kind#*:}/$(of_unit "${kind%%:*}Directory")" || exit 1
  chroot "$fs" chown "$user:$(of_unit Group)" "/${kind#*:}/$(of_unit "${kind%%:*}Directory")" || exit 1
done
# as_unit COMMAND: runs it as the service manager would.
as_unit() { (umask "$(of_unit UMask)"; exec chroot --userspec="$user:$(of_unit Group)" "$fs" env -i PATH=/usr/bin:/bin $1 < /dev/null); }
as_unit "$(of_unit ExecStartPre)" || fail "ExecStartPre"
as_unit "$(of_unit ExecStart)" > "$work/service.log" 2>&1 &
until_true ready || { cat "$work/service.log" >&2; fail "the service is not ready"; }
first=$(pid)
[ "$(stat -c %u "/proc/$first")" = "$(in_root id -u "$user")" ] || fail "the service does not run as $user"
served "no client is served"
in_root pbm node info > "$work/info.log" 2>&1 || { cat "$work/info.log" >&2; fail "pbm node info"; }
as_unit "$(of_unit ExecReload)" >/dev/null || fail "ExecReload"
[ "$(wc -l < "$fs/var/log/actorlb/access.log")" -ge 5 ] || fail "no access log"
ok "runs as $user, serves clients, is reloaded, writes its access log"
# Runs the postrotate script after moving the file, as logrotate does.
mv "$fs/var/log/actorlb/access.log" "$fs/var/log/actorlb/access.log.1"
sed -n '/postrotate/,/endscript/p' "$fs/etc/logrotate.d/actorlb" | sed '1d;$d' > "$fs/tmp/postrotate"
as_unit "sh /tmp/postrotate" || fail "postrotate"
until_true test -e "$fs/var/log/actorlb/access.log" || fail "the access log was not opened again"
ok "the access log is rotated"

echo "Upgrade"
before=$(md5sum < "$conf")
in_root dpkg --force-confold -i /tmp/next.deb > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -i of the higher version"; }
[ "$(md5sum < "$conf")" = "$before" ] || fail "the configuration was not kept"
[ -e "$conf.dpkg-dist" ] || fail "the new version's configuration is not beside it"
second=$(pid)
[ "$second" != "$first" ] || { cat "$work/dpkg.log" "$work/service.log" >&2; fail "the running node was not handed over"; }
ready || fail "not ready after the upgrade"
served "no client is served after the upgrade"
until_true gone "$first" || fail "the process before has not ended"
ok "handed over to the new version while it ran; the configuration was kept"

echo "Remove, purge"
in_root dpkg -r actorlb > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -r"; }
gone "$second" || fail "the service runs on"
[ "$(md5sum < "$conf")" = "$before" ] || fail "the configuration went with the package"
in_root dpkg -P actorlb > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -P"; }
[ ! -s "$work/dpkg.log" ] || ! grep -i warning "$work/dpkg.log" || fail "the purge warns"
[ ! -e "$fs/run/actorlb" ] || fail "/run/actorlb is left"
files > "$work/after"
diff "$work/before" "$work/after" || fail "something is left"
ok "stopped; nothing is left"
echo
echo "$passed passed, 0 failed"
