#!/usr/bin/env bash
# Builds Claviger as it is released, guided by a profile: a first build counts what runs on a working day
# (tests/it/training.rs), and a second one makes that fast and everything else small.
# usage: release.sh TARGET [ARGUMENT OF cargo build …]; the binary is where `cargo build --target` puts it.
set -euo pipefail
cd "$(dirname "$0")/.."
triple=$1
shift
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
work=$CARGO_TARGET_DIR/training

profdata=$(rustc --print target-libdir)/../bin/llvm-profdata
if [ ! -x "$profdata" ]; then
    echo "== installing llvm-tools, a component of the Rust toolchain, with rustup"
    rustup component add llvm-tools
fi

# Both builds have one profile: the names of functions depend on its settings.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $1" cargo build --locked --release --package claviger --bin claviger --target "$triple" "${@:2}"
}

rm -rf "$work/counts"
echo "== a build that counts what runs"
CARGO_TARGET_DIR=$work build "-Cprofile-generate=$work/counts" "$@"
echo "== a working day"
TEST_CLAVIGER_PROGRAM=$work/$triple/release/claviger RUSTFLAGS='' cargo test --locked --test it -- --ignored --exact \
    training::a_working_day_that_a_release_is_trained_by
"$profdata" merge --output "$work/profile" "$work/counts"
echo "== the build that is released"
# What ran less than 50 times, a start for one, is not worth a copy at each of its callers.
build "-Cprofile-use=$work/profile -Cllvm-args=-profile-summary-cold-count=50 -Cllvm-args=-inlinecold-threshold=5" "$@"
