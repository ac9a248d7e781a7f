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

# With frame pointers the tables for unwinding are a quarter smaller, and profilers see whole stacks in production.
flags="${RUSTFLAGS:-} -Cforce-frame-pointers=yes"
case $triple in
# Relocations take an eighth of the room. Of glibc that would need 2.36; musl is in the binary.
*-musl) flags+=" -Clink-arg=-Wl,-z,pack-relative-relocs" ;;
esac

# Both builds have one profile: the names of functions depend on its settings.
build() {
    RUSTFLAGS="$flags $1" cargo build --locked --release --package claviger --bin claviger --target "$triple" "${@:2}"
}

echo "== a build that counts what runs"
CARGO_TARGET_DIR=$work build "-Cprofile-generate=$work/counts" "$@"
counting=$work/$triple/release/claviger
# Cargo does not look into a profile: one of another program, or of another day, has another name.
profile=$work/$(cat "$counting" tests/it/training.rs | sha256sum | cut -c 1-16).profdata
if [ ! -e "$profile" ]; then
    echo "== a working day"
    rm -rf "$work/counts" "$work"/*.profdata
    TEST_CLAVIGER_PROGRAM=$counting RUSTFLAGS='' cargo test --locked --test it -- --ignored --exact \
        training::a_working_day_that_a_release_is_trained_by
    "$profdata" merge --output "$work/merged" "$work/counts"
    mv "$work/merged" "$profile"
fi
echo "== the build that is released"
# What ran less than 50 times, a start for one, is not worth a copy at each of its callers, nor is what a caller rarely calls.
build "-Cprofile-use=$profile -Cllvm-args=-profile-summary-cold-count=50 -Cllvm-args=-inlinecold-threshold=5 \
    -Cllvm-args=-inline-cold-callsite-threshold=5" "$@"
