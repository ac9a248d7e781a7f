#!/usr/bin/env bash
# Licences, banned crates and sources of every dependency (deny.toml).
# Advisories are not in it: their database is fetched from elsewhere and changes by the day; `cargo deny check advisories`
# is for people and for a scheduled job.
set -euo pipefail
cd "$(dirname "$0")/.."

code=0
scripts/cargo-tool.sh cargo-deny "$1" || code=$?
if [ "$code" -eq 3 ]; then
  echo "== SKIPPED: licences, bans and sources were not checked"
  exit 0
elif [ "$code" -ne 0 ]; then
  exit "$code"
fi
PATH="$PWD/target/tools/bin:$PATH" cargo deny --locked --log-level warn check --hide-inclusion-graph bans licenses sources
