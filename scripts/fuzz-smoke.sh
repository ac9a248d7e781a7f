#!/usr/bin/env bash
# Runs every fuzz target for some seconds where a nightly toolchain is installed.
# usage: fuzz-smoke.sh CARGO_FUZZ_VERSION SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 seconds=$2

replay() {
  echo "== $1: no coverage-guided fuzzing here; replaying the corpora through the stable harness instead"
  cargo test --locked --test fuzz_replay
  exit
}

cargo +nightly --version >/dev/null 2>&1 || replay "no nightly toolchain"
code=0
scripts/cargo-tool.sh cargo-fuzz "$version" || code=$?
if [ "$code" -eq 3 ]; then replay "no cargo-fuzz"; elif [ "$code" -ne 0 ]; then exit "$code"; fi

export PATH="$PWD/target/tools/bin:$PATH"
found=0
for file in fuzz/fuzz_targets/*.rs; do
  [ -e "$file" ] || break
  target=$(basename "$file" .rs)
  found=$((found + 1))
  echo "== fuzzing $target for $seconds s"
  # What is found goes to target/, the committed corpus is only read.
  corpora=("target/fuzz-corpus/$target")
  mkdir -p "${corpora[0]}"
  if [ -d "fuzz/corpus/$target" ]; then corpora+=("fuzz/corpus/$target"); fi
  # Without a sanitizer: the crate forbids unsafe code, so what is looked for is a panic, a hang or an out-of-memory.
  cargo +nightly fuzz run --sanitizer none "$target" "${corpora[@]}" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0
done
if [ "$found" -eq 0 ]; then
  echo "fuzz/fuzz_targets holds no target" >&2
  exit 1
fi
echo "== $found fuzz targets, no failure"
