#!/usr/bin/env bash
# Builds out/actorlb-VERSION-linux-ARCHITECTURE.tar.gz: one folder with both programs and the .NET runtime, to be unpacked into /opt.
#
#   deploy/build-tarball.sh [-o FOLDER] [--version V] [--architecture amd64|arm64] [--programs FOLDER]
#
#   --programs FOLDER  packages already published programs instead of publishing them
#
# Needs the .NET 10 SDK. The server needs glibc and OpenSSL 3 (libssl3), but not .NET.
set -uo pipefail

script=build-tarball
. "$(dirname "${BASH_SOURCE[0]}")/publish.sh"
arguments "$@"
publish

name=actorlb-$version
mkdir -p "$work/$name" && cp -a "$programs" "$work/$name/lib" || exit 1
mkdir "$work/$name/bin" && ln -s ../lib/actorlb ../lib/pbm "$work/$name/bin/" || exit 1
mkdir -p "$work/$name/etc" && cp "$root/deploy/debian/actorlb.conf" "$root"/hocon/reference.conf "$work/$name/etc/" || exit 1
sed "s:/usr/bin/actorlb:/opt/actorlb/bin/actorlb:" "$root/deploy/actorlb.service" > "$work/$name/actorlb.service" || exit 1
cp "$root/LICENSE" "$root/CHANGELOG.md" "$root/docs/install.md" "$work/$name/" || exit 1
archive=$output/$name-${runtime/-x64/-amd64}.tar.gz
tar -C "$work" --owner=0 --group=0 --sort=name -czf "$archive" "$name" || fail "cannot write $archive"
echo "$archive"
