#!/usr/bin/env python3
"""Runs what README and docs/ tell their readers to type: `run.py --claviger target/debug/claviger [PAGE…]`.

Every fenced block with a language is run, in the order of its page, or says on the line above why it is not:

    <!-- not run: needs a cluster -->

- `sh`, `console`: by bash. A line of `console` that begins with `$ ` is a command; what follows is what it must print,
  where `…` stands for anything.
- `js`, `python`, `go`, `java`: as a program of that language, which must end with 0.
- `toml`: as a configuration, alone or below config/minimal.toml; `yaml`, `hcl` and others only with a reason.

A page begins with a fresh directory and a running `claviger demo` at free ports: 127.0.0.1:3600 and 127.0.0.1:3601 in a block
are replaced by them. `<!-- file: NAME -->` above a block writes it to that file before (or instead of) running it.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "target" / "clients"
FENCE = re.compile(r"^```(\S*)\s*$")
MARK = re.compile(r"^<!-- (not run|file): (.*?) -->$")
RUN = {"sh", "console", "js", "python", "go", "java", "toml"}
# Rust runs as doctests, and text is what a program says.
ELSEWHERE = {"rust", "text"}
PATIENCE = 120
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("CLAVIGER_", "LOGTO_"))
         and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}


class Failed(Exception):
    """A block does not do what its page says."""


class Block:
    def __init__(self, page, line, language, text, marks):
        self.page, self.line, self.language, self.text, self.marks = page, line, language, text, marks

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language})"


def blocks(page):
    """The blocks of a page with a language, each with the marks right above it."""
    found, marks, lines, at = [], {}, page.read_text(encoding="utf-8").split("\n"), 0
    while at < len(lines):
        line = lines[at].strip()
        if match := MARK.match(line):
            marks[match[1]] = match[2]
        elif match := FENCE.match(line):
            start, indent = at, len(lines[at]) - len(lines[at].lstrip())
            at += 1
            while lines[at].strip() != "```":
                at += 1
            text = "\n".join(line[indent:] for line in lines[start + 1:at]) + "\n"
            if match[1] and match[1].split(",")[0] not in ELSEWHERE:
                found.append(Block(page, start + 1, match[1].split(",")[0], text, marks))
            marks = {}
        elif line:
            marks = {}
        at += 1
    return found


class World:
    """What a page runs in."""

    def __init__(self, claviger, directory):
        self.claviger, self.directory, self.processes = claviger, Path(directory), []
        bin_directory = self.directory / "bin"
        bin_directory.mkdir()
        (bin_directory / "claviger").symlink_to(claviger)
        path = [str(bin_directory), str(CLIENTS / "venv" / "bin"), CLEAN["PATH"]]
        self.environment = {**CLEAN, "PATH": ":".join(path), "NO_COLOR": "1", "HOME": str(self.directory)}
        if (CLIENTS / "node_modules").exists():
            (self.directory / "node_modules").symlink_to(CLIENTS / "node_modules")

    def start(self, argv):
        log = self.directory / f"background-{len(self.processes)}.log"
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log.open("wb"), stderr=subprocess.STDOUT,
                                   cwd=self.directory, env=self.environment, start_new_session=True)
        self.processes.append(process)
        return process, log

    def wait_for(self, process, log, pattern):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if match := re.search(pattern, log.read_text(errors="replace")):
                return match
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"a program of the page did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def demo(self):
        process, log = self.start([self.claviger, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        proxy = self.wait_for(process, log, r"runs on http://(127\.0\.0\.1:\d+)")[1]
        admin = self.wait_for(process, log, r"http://(127\.0\.0\.1:\d+)/status")[1]
        self.wait_for(process, log, r"ready")
        self.places = {"127.0.0.1:3600": proxy, "127.0.0.1:3601": admin}

    def here(self, text):
        for written, real in self.places.items():
            text = text.replace(written, real)
        return text

    def close(self):
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def run(self, argv, stderr=subprocess.STDOUT):
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                              text=True, cwd=self.directory, env=self.environment, timeout=PATIENCE)
        return done.returncode, done.stdout


def fits(wanted, got):
    """Whether `got` is what the page shows, `…` being anything."""
    pattern = ".*?".join(re.escape(part) for part in wanted.strip().split("…"))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


def console(world, block):
    command, wanted, steps = None, [], []
    for line in block.text.split("\n"):
        if line.startswith("$ "):
            if command is not None:
                steps.append((command, "\n".join(wanted)))
            command, wanted = line[2:], []
        elif command is not None and command.endswith("\\"):
            command += f"\n{line}"
        else:
            wanted.append(line)
    steps.append((command, "\n".join(wanted)))
    for command, wanted in steps:
        if command == "claviger demo":
            continue  # It is running.
        # The demo that is asked is at another port than a reader's.
        asked = command.replace("claviger explain ", "claviger explain --address 127.0.0.1:3601 ")
        _, got = world.run(["bash", "-c", world.here(asked)], stderr=subprocess.DEVNULL)
        if not fits(world.here(wanted), got):
            raise Failed(f"`{command}` prints\n{got}\nand not\n{wanted}")


def program(world, block, name, argv):
    (world.directory / name).write_text(world.here(block.text), encoding="utf-8")
    ended, said = world.run(argv)
    if ended:
        raise Failed(f"it ends with {ended}:\n{said[-3000:]}")


def toml(world, block):
    """A configuration, or a part of one that fits below the least that works."""
    minimal = (ROOT / "config" / "minimal.toml").read_text(encoding="utf-8")
    said = []
    for name, text in (("alone", block.text), ("below minimal.toml", f"{minimal}\n{block.text}")):
        path = world.directory / "block.toml"
        # A placeholder that is left is refused.
        text = text.replace('"replace-me"', '"app"').replace('"REPLACE_WITH_APP_ID"', '"app"')
        path.write_text(text, encoding="utf-8")
        ended, output = world.run([world.claviger, "policy", "matrix", "--config", path, "--json"])
        if ended == 0:
            return
        said.append(f"{name}:\n{output[-1500:]}")
    raise Failed("\n".join(said))


def run(world, block):
    if name := block.marks.get("file"):
        path = world.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(world.here(block.text), encoding="utf-8")
        if block.language not in RUN:
            return
    match block.language:
        case "sh":
            ended, said = world.run(["bash", "-euo", "pipefail", "-c", world.here(block.text)])
            if ended:
                raise Failed(f"it ends with {ended}:\n{said[-3000:]}")
        case "console":
            console(world, block)
        case "js":
            program(world, block, "block.mjs", ["node", "block.mjs"])
        case "python":
            program(world, block, "block.py", ["python", "block.py"])
        case "go":
            program(world, block, "block.go", ["go", "run", "block.go"])
        case "java":
            program(world, block, "Block.java", ["java", "Block.java"])
        case "toml":
            toml(world, block)
        case other:
            raise Failed(f"nobody runs {other}: say why, `<!-- not run: … -->`")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--claviger", required=True, type=Path)
    parser.add_argument("pages", nargs="*", type=Path)
    arguments = parser.parse_args()
    pages = [page.resolve() for page in arguments.pages] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    passed, failed, left_out = 0, 0, []
    for page in pages:
        found = blocks(page)
        runnable = [block for block in found if "not run" not in block.marks]
        left_out += [(block, block.marks["not run"]) for block in found if "not run" in block.marks]
        if not runnable:
            continue
        with tempfile.TemporaryDirectory(prefix="claviger-docs-") as directory:
            world = World(arguments.claviger.resolve(), directory)
            try:
                world.demo()
                for block in runnable:
                    try:
                        run(world, block)
                        passed += 1
                    except (Failed, subprocess.TimeoutExpired) as error:
                        failed += 1
                        print(f"FAILED {block}: {error}")
            finally:
                world.close()
    for block, why in left_out:
        print(f"not run: {block}: {why}")
    print(f"docs: {passed} passed, {failed} failed, {len(left_out)} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
