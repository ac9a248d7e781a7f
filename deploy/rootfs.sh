#!/usr/bin/env bash
# Builds the static binary and lays out the root file system of the image.
# The Dockerfile runs it, and tests/deploy runs the same to test the result without a container engine.
# usage: rootfs.sh DIRECTORY
# CLAVIGER_TARGET: another Rust target; *-gnu is then linked statically against glibc.
# CLAVIGER_WITHOUT_PROFILE: built once, larger and slower, in half of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
target=${CLAVIGER_TARGET:-$(uname -m)-unknown-linux-musl}

case $target in
  *-gnu) export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" ;;
esac
# Without the emulator: nobody runs `claviger demo` in a cluster.
if [ -z "${CLAVIGER_WITHOUT_PROFILE:-}" ]; then
  scripts/release.sh "$target" --no-default-features
else
  cargo build --locked --release --package claviger --bin claviger --target "$target" --no-default-features
fi

mkdir -p "$out"
install -d -m 0755 "$out/etc/claviger"
install -m 0555 "${CARGO_TARGET_DIR:-target}/$target/release/claviger" "$out/claviger"
for license in LICENSE-*; do
  if [ -e "$license" ]; then install -D -m 0444 -t "$out/licenses" "$license"; fi
done
