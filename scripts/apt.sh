#!/usr/bin/env bash
# Installs the Debian packages whose programs are missing, and says so first.
# usage: apt.sh PROGRAM=PACKAGE…
set -euo pipefail
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing=()
for pair in "$@"; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} (Debian names); this system has no apt-get, so install them by hand" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
echo "== installing Debian packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
