#!/usr/bin/env python3
"""The page of the admin listener in a real browser: `run.py --claviger target/debug/claviger [NAME…]`.

Installs Node.js (PyPI) and playwright-core and axe-core (npm), pinned and each said first, into target/page, and runs
page.mjs there with Debian's Chromium. Python 3 only, no package. With `--picture docs/images/page.png` it makes the picture
of the page instead (picture.mjs); 256 colours are enough for it, as `pngquant` or Pillow make them.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from pinned import Pinned  # noqa: E402: tests/pinned.py

HOME = HERE.parents[1] / "target" / "page"
PINNED = Pinned(HERE, HOME, "Node.js 22", "playwright-core, axe-core")
CHROMIUM = "/usr/bin/chromium"


def main():
    p = argparse.ArgumentParser(description="The page of the admin listener in a real browser.")
    p.add_argument("--claviger", type=Path, default=HERE.parents[1] / "target" / "debug" / "claviger")
    p.add_argument("names", nargs="*", metavar="NAME", help="scenarios of page.mjs; all when left out")
    p.add_argument("--picture", type=Path, metavar="FILE", help="make the picture of the page")
    options = p.parse_args()
    if not options.claviger.exists():
        p.error(f"{options.claviger} is missing: build it first")
    if not Path(CHROMIUM).exists():
        p.error(f"{CHROMIUM} is missing: install Debian's chromium")
    PINNED.install()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CLAVIGER_", "LOGTO_"))
             and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    program, more = ("page.mjs", options.names)
    if options.picture:
        program, more = ("picture.mjs", [options.picture.resolve()])
    program = [PINNED.node(), HOME / program, options.claviger.resolve(), CHROMIUM, *more]
    sys.exit(subprocess.run([str(a) for a in program], stdin=subprocess.DEVNULL, env=clean).returncode)


if __name__ == "__main__":
    main()
