#!/usr/bin/env bash
# Installs one cargo tool from crates.io into target/tools, and says so first.
# usage: cargo-tool.sh NAME VERSION
# Exit 0: it is there. Exit 3: crates.io cannot be reached. Otherwise: the installation failed.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 version=$2

if [ -f "target/tools/$name-$version" ]; then exit 0; fi
if ! cargo info --quiet "$name@$version" >/dev/null 2>&1; then
  echo "== $name $version is not installed and crates.io cannot be reached" >&2
  exit 3
fi
echo "== installing $name $version from crates.io into target/tools (once; some minutes)"
# A workspace's own profile must not slow the tool down; only its time to build matters here.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=false \
  cargo install --quiet --locked --root target/tools --target-dir target/tools/build --version "$version" "$name"
rm -rf target/tools/build
touch "target/tools/$name-$version"
