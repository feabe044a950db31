#!/usr/bin/env bash
# Builds out/actorlb_VERSION_ARCHITECTURE.deb: both programs with the .NET runtime, unit, configuration, logrotate, completions, manual pages.
#
#   deploy/build-deb.sh [-o FOLDER] [--version V] [--architecture amd64|arm64] [--programs FOLDER]
#
#   --programs FOLDER  packages already published programs instead of publishing them
#
# Needs dpkg-deb and the .NET 10 SDK, and must be able to run the programs that it packages.
set -uo pipefail

script=build-deb
. "$(dirname "${BASH_SOURCE[0]}")/publish.sh"
arguments "$@"
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing (Debian package dpkg)"
publish
"$programs/actorlb" --version >/dev/null || fail "the programs for $architecture do not run here, and the package holds what they print"

# page NAME SUMMARY: a manual page made from the program's help.
page() {
  local help command
  escaped() { sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/" -e 's/-/\\-/g'; }
  printf '.TH %s 8 "" "ActorLb %s"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n' "${1^^}" "$version" "$1" "$2"
  help=$("$programs/$1" --help) || return 1
  sed -n '/^Usage:/,/^$/{/^  /s/^  //p}' <<< "$help" | escaped
  printf '.fi\n.SH OPTIONS AND COMMANDS\n.nf\n'
  sed '1,/^Usage:/d;1,/^$/d' <<< "$help" | escaped
  printf '.fi\n'
  for command in $(sed -n '/^Commands:/,$s/^  \([a-z][a-z-]*\).*/\1/p' <<< "$help"); do
    printf '.SH "%s %s"\n.nf\n' "${1^^}" "${command^^}"
    "$programs/$1" "$command" --help | sed '1{/^Description:/d}' | escaped
    printf '.fi\n'
  done
  printf '.SH FILES\n/etc/actorlb/actorlb.conf\n.br\n/usr/share/doc/actorlb/reference.conf (every key, its default, what it does)\n'
}

tree=$work/tree doc=$work/tree/usr/share/doc/actorlb
install -d "$tree"/DEBIAN "$tree"/etc/actorlb "$tree"/etc/logrotate.d "$tree"/usr/bin "$tree"/usr/lib "$tree"/lib/systemd/system "$doc" \
  "$tree"/usr/share/bash-completion/completions "$tree"/usr/share/zsh/vendor-completions "$tree"/usr/share/man/man8 || exit 1
cp -a "$programs" "$tree/usr/lib/actorlb" || exit 1
find "$tree/usr/lib/actorlb" -name '*.pdb' -delete
ln -s ../lib/actorlb/actorlb ../lib/actorlb/pbm "$tree/usr/bin/" || exit 1
install -m 644 "$root/deploy/actorlb.service" "$tree/lib/systemd/system/" || exit 1
install -m 644 "$root/deploy/debian/actorlb.conf" "$tree/etc/actorlb/" || exit 1
install -m 644 "$root/deploy/debian/logrotate" "$tree/etc/logrotate.d/actorlb" || exit 1
install -m 644 "$root/deploy/debian/copyright" "$root"/hocon/reference.conf "$doc/" || exit 1
gzip -9nc "$root/CHANGELOG.md" > "$doc/changelog.gz" || exit 1
for name in actorlb pbm; do
  "$programs/$name" completion bash > "$tree/usr/share/bash-completion/completions/$name" || fail "$name prints no completion"
  # zsh loads it as the function of that name when it is first needed, so it must call the function that it defines.
  { printf '#compdef %s\n' $name; "$programs/$name" completion zsh; printf '_%s "$@"\n' $name; } > "$tree/usr/share/zsh/vendor-completions/_$name" || exit 1
done
page actorlb 'load balancer for MQTT' > "$work/actorlb.8" && page pbm "operator's shell of ActorLb" > "$work/pbm.8" || fail "no manual pages"
for name in actorlb pbm; do gzip -9nc "$work/$name.8" > "$tree/usr/share/man/man8/$name.8.gz" || exit 1; done

install -m 755 "$root"/deploy/debian/{postinst,prerm,postrm} "$tree/DEBIAN/" || exit 1
printf '%s\n' /etc/actorlb/actorlb.conf /etc/logrotate.d/actorlb > "$tree/DEBIAN/conffiles"
cat > "$tree/DEBIAN/control" <<END
Package: actorlb
Version: $version
Architecture: $architecture
Maintainer: The authors of ActorLb <actorlb@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f1)
Depends: libc6 (>= 2.31), libgcc-s1, libstdc++6, libssl3 | libssl3t64, adduser, passwd, util-linux
Recommends: logrotate
Suggests: bash-completion
Section: net
Priority: optional
Description: load balancer for MQTT
 A fleet of MQTT-aware load balancers for EMQX clusters and other brokers: TLS,
 WebSocket, sticky clients, health, PROXY protocol, and a map of clients that
 all nodes share. Includes the .NET runtime, and pbm, the operator's shell.
END
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) > "$tree/DEBIAN/md5sums" || exit 1
chmod 644 "$tree"/DEBIAN/{control,conffiles,md5sums}
package=$output/actorlb_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null || fail "cannot write $package"
echo "$package"
