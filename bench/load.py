"""Load by wrk, in rounds that alternate between those that are measured."""
import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import HERE, KEY, LOAD_CORE, Broken, Server, say, tool


@dataclass(frozen=True)
class Load:
    """What wrk asks for, where, and the server whose CPU time that costs."""
    server: Server
    port: int
    target: str
    headers: tuple = (f"Authorization: Bearer {KEY}",)
    tokens: Path | None = None  # a file of bearer tokens, one a line, to be shown in turn

    def wrk(self, connections, seconds):
        headers = [part for header in self.headers for part in ("-H", header)]
        tokens = ["--", str(self.tokens)] if self.tokens else []
        return ["taskset", "-c", LOAD_CORE, tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                "-s", str(HERE / "wrk.lua"), *headers, f"http://127.0.0.1:{self.port}{self.target}", *tokens]


def measure(load, connections, seconds):
    """One wrk run; returns the numbers of this run."""
    server = load.server
    user0, system0 = server.cpu()
    wrk = subprocess.Popen(load.wrk(connections, seconds),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(seconds * 0.6)
    resident = server.memory()
    output, _ = wrk.communicate()
    user1, system1 = server.cpu()
    lines = [line[5:] for line in output.splitlines() if line.startswith("JSON ")]
    if wrk.returncode or not lines:
        raise Broken(f"wrk failed against {server.name}:\n{output}")
    seen = json.loads(lines[0])
    bad = {k: seen[k] for k in ("connect", "read", "write", "status", "timeout") if seen[k]}
    if bad or not seen["requests"]:
        raise Broken(f"{server.name}: {seen['requests']} requests, errors {bad}")
    elapsed, count = seen["duration_us"] / 1e6, seen["requests"]
    return {
        "cpu_us": (user1 - user0 + system1 - system0) / count * 1e6,
        "user_us": (user1 - user0) / count * 1e6,
        "system_us": (system1 - system0) / count * 1e6,
        "rps": count / elapsed,
        "p50_us": seen["p50_us"], "p99_us": seen["p99_us"],
        "busy": (user1 - user0 + system1 - system0) / elapsed,
        "loaded_kib": resident,
    }


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def spread(runs, key):
    """Largest distance from the median, as a share of it."""
    middle = statistics.median(run[key] for run in runs)
    return max(abs(run[key] - middle) for run in runs) / middle if middle else 0.0


def rounds(loads, connections, count, seconds):
    """Each of `loads` once per round, in an order that rotates."""
    names = list(loads)
    runs = {name: [] for name in names}
    for name in names:
        measure(loads[name], connections, min(2, seconds))
    for number in range(count):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            runs[name].append(measure(loads[name], connections, seconds))
        say(f"  {connections} connections, round {number + 1} of {count}: "
            + ", ".join(f"{name} {runs[name][-1]['cpu_us']:.1f} µs" for name in names))
    return {name: {**median(runs[name]), "spread": spread(runs[name], "cpu_us")} for name in names}
