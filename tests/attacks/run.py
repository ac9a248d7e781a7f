#!/usr/bin/env python3
"""Thousands of hostile connections against the release program in a control group of 64 MiB: `run.py [NAME…]`.

For each attack the program is started anew. Meanwhile a caller who means no harm asks on a connection that it keeps
and on new ones, another one does that from far away, and a kubelet probes the admin listener. Wanted: the program is not killed, the others are served
(99 of 100 within 250 ms), the log stays small, and afterwards no more than half of the memory is kept (by the allocator, for the next burst).

Needs a network namespace of its own, for attackers with addresses, and a control group: version 2 (`memory.max`) or version 1 with socket buffers counted
(`memory.kmem.tcp.*`), where what version 2 would count is the sum of both. Without, it says so and watches resident memory.
"""
import argparse
import asyncio
import collections
import contextlib
import gzip
import http.client
import json
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
PATIENCE = 0.250
# Lines of the log in a second, beside those of requests that were served.
LINES = 100
# Of this machine alone, and none of those that peers on one machine have.
ADDRESSES = [f"192.0.2.{n}" for n in range(1, 9)]
# How far away the far caller is, there and back.
ROUND_TRIP = 0.050
CALM, KNOWN = "key-of-the-calm-caller-0123456789", "key-of-the-known-caller-012345678"
HOGS = [f"key-of-hog-number-{n}-0123456789012" for n in range(4)]
PAGE = json.dumps([{"id": f"user-{n:06}", "name": "x" * 200} for n in range(16_000)]).encode()

PACKED = gzip.compress(PAGE)


# --- the upstream ------------------------------------------------------------------

async def answer(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            target = head.split(" ", 2)[1]
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            left = int(fields.get("content-length", 0))
            while left > 0:
                left -= len(await reader.read(min(left, 65536)))
                if reader.at_eof():
                    return
            more = ""
            if target.startswith("/oidc/token"):
                body = json.dumps({"access_token": "t" * 700, "expires_in": 3600, "token_type": "Bearer", "scope": "all"}).encode()
            elif target.startswith("/api/users"):
                body, more = (PACKED, "content-encoding: gzip\r\n") if "packed" in target else (PAGE, "")
            elif target.startswith("/api/organizations"):
                await asyncio.sleep(3600)
            else:
                body = b'[{"id":"r1","name":"a role","description":"for the calm"}]'
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def upstream(pipe):
    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 16)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


# --- control groups ----------------------------------------------------------------

class Group:
    """Where the program runs: what it fills, at most, and whether it was killed for that."""

    def __init__(self, limit):
        self.limit, self.peak, self.dir, self.pid = limit, 0, None, None
        for root, version in ((Path("/sys/fs/cgroup"), 2), (Path("/sys/fs/cgroup/memory"), 1)):
            with contextlib.suppress(OSError):
                if version == 2 and "memory" not in (root / "cgroup.subtree_control").read_text():
                    continue
                group = root / f"claviger-attacks-{os.getpid()}"
                group.mkdir(exist_ok=True)
                self.dir, self.version = group, version
                if version == 2:
                    self.write("memory.max", limit)
                    with contextlib.suppress(OSError):
                        self.write("memory.swap.max", 0)
                else:
                    self.write("memory.limit_in_bytes", limit)
                    # Counted by being limited.
                    self.write("memory.kmem.tcp.limit_in_bytes", 1024 * MIB)
                return

    def write(self, name, value):
        (self.dir / name).write_text(str(value))

    def read(self, name):
        return int((self.dir / name).read_text())

    def kind(self):
        return f"control group version {self.version}" if self.dir else "no control group can be made here: RESIDENT MEMORY ONLY"

    def wrap(self, command):
        if not self.dir:
            return command
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.dir), *command]

    def now(self):
        if self.dir and self.version == 1:
            stat = dict(line.split() for line in (self.dir / "memory.stat").read_text().splitlines())
            # Clean pages of files are given back before anybody is killed.
            used = self.read("memory.usage_in_bytes") - int(stat["inactive_file"]) - int(stat["active_file"])
            value = used + self.read("memory.kmem.tcp.usage_in_bytes")
        elif self.dir:
            stat = dict(line.split() for line in (self.dir / "memory.stat").read_text().splitlines())
            value = self.read("memory.current") - int(stat["inactive_file"]) - int(stat["active_file"])
        else:
            with contextlib.suppress(OSError, StopIteration):
                status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
                return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024
            return 0
        return value

    def look(self):
        self.peak = max(self.peak, self.now())

    def close(self):
        if self.dir:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    self.dir.rmdir()
                    return
                time.sleep(0.1)


# --- the program -------------------------------------------------------------------

class Proxy:
    def __init__(self, program, port, limit, log):
        self.home = tempfile.TemporaryDirectory()
        home = Path(self.home.name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", home / "key.pem", "-out", home / "cert.pem"], check=True, stderr=subprocess.DEVNULL)
        (home / "key.pem").chmod(0o600)
        callers = {"calm": CALM, "known": KNOWN, **{f"hog{n}": key for n, key in enumerate(HOGS)}}
        text = f"""workers = 2
listen.proxy = ["127.0.0.1:0"]
listen.admin = "127.0.0.1:0"
listen.tls.cert = "{home}/cert.pem"
listen.tls.key = {{ file = "{home}/key.pem" }}
policies.all.allow = ["*", "CreateRole"]
[tenants.acme]
endpoint = "http://127.0.0.1:{port}"
client_id = "client"
client_secret = "a-secret-of-the-attack-test-01234567"
"""
        for name, key in callers.items():
            text += f'[callers.{name}]\nidentify = {{ api_key = "{key}" }}\npolicies = ["all"]\n'
        (home / "claviger.toml").write_text(text)
        self.group = Group(limit)
        ready = home / "ready.json"
        command = [str(program), "serve", "--config", str(home / "claviger.toml"), "--ready-file", str(ready)]
        self.lines, self.log, self.tail = 0, log, []
        self.process = subprocess.Popen(self.group.wrap(command), stderr=subprocess.PIPE)
        self.group.pid = self.process.pid
        self.reader = threading.Thread(target=self.count, daemon=True)
        self.reader.start()
        end = time.monotonic() + 20
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"attacks: the program does not start: {self.tail}")
            time.sleep(0.02)
        written = json.loads(ready.read_text())
        self.port, self.admin = (int(place.rsplit(":", 1)[1]) for place in (written["proxy"][0], written["admin"]))

    def count(self):
        for line in self.process.stderr:
            self.lines += 1
            self.tail = [*self.tail[-20:], line]
            if self.log:
                self.log.write(line)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.group.close()
        self.home.cleanup()


# --- those who are not to notice -----------------------------------------------------

def no_questions():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask_from_afar(port):
    """One request on a new connection whose peer takes a round trip for each answer in the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured, answer = no_questions().wrap_bio(incoming, outgoing, server_hostname="localhost"), b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        def receive():
            plain.sendall(outgoing.read())
            data = plain.recv(65536)
            if not data:
                raise OSError(f"closed after {answer!r}")
            incoming.write(data)

        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                receive()
                time.sleep(ROUND_TRIP)
        secured.write(f"GET /api/roles HTTP/1.1\r\nHost: localhost\r\nClaviger-Key: {CALM}\r\n\r\n".encode())
        while b"\r\n\r\n" not in answer:
            receive()
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += secured.read(65536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise OSError(repr(answer[:300]))


class Others:
    """A caller on a kept connection, the same on new ones, the same from far away, and a kubelet."""

    def __init__(self, proxy):
        self.took = {"kept": [], "new": [], "far": [], "probe": []}
        self.proxy, self.failed, self.over = proxy, [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(kind,), daemon=True) for kind in self.took]
        for thread in self.threads:
            thread.start()

    def open(self, kind):
        if kind == "probe":
            return http.client.HTTPConnection("127.0.0.1", self.proxy.admin, timeout=5)
        return http.client.HTTPSConnection("localhost", self.proxy.port, timeout=5, context=no_questions())

    def run(self, kind):
        connection = self.open(kind)
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                if kind == "far":
                    ask_from_afar(self.proxy.port)
                    continue
                path, key = ("/livez", {}) if kind == "probe" else ("/api/roles", {"Claviger-Key": CALM})
                if kind != "kept":
                    connection.close()
                connection.request("GET", path, headers=key)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    raise OSError(f"{response.status} {body[:300]!r}")
            except (OSError, http.client.HTTPException) as error:
                if not self.over.is_set():
                    self.failed.append(f"{kind}: {error!r}")
                connection.close()
                connection = self.open(kind)
            finally:
                self.took[kind].append(time.monotonic() - begun)
                time.sleep(0.02 if kind == "kept" else 0.05)

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(10)

    def p99(self, kind):
        took = sorted(self.took[kind])
        return took[min(len(took) - 1, len(took) * 99 // 100)] if took else float("inf")


# --- HTTP/2 by hand ------------------------------------------------------------------

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def preface(window):
    settings = struct.pack(">HI", 4, window) + struct.pack(">HI", 2, 0)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, settings) + frame(4, 1, 0)


def number(n):
    if n < 127:
        return bytes([n])
    out, n = [127], n - 127
    while n >= 128:
        out.append(n % 128 + 128)
        n //= 128
    return bytes([*out, n])


def headers(stream, method, path, fields, end=True):
    pairs = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *fields]
    block = b"".join(b"\0" + number(len(name)) + name.encode() + number(len(value)) + value.encode() for name, value in pairs)
    return frame(1, 4 | end, stream, block)


def streams(count, method, path, fields, end=True, data=b""):
    one = lambda n: headers(n, method, path, fields, end) + (frame(0, 0, n, data) if data else b"")
    return b"".join(one(2 * n + 1) for n in range(count))


# --- attacks ---------------------------------------------------------------------------

class Attack:
    """What a connection is sent; how it is opened; whether what comes is read."""

    def __init__(self, send=lambda n: b"", tls="http/1.1", reads=True, trickle=b"", at="port", repeat=False, few=None, rate=None, addresses=()):
        self.send, self.tls, self.reads, self.trickle, self.at, self.repeat, self.few = send, tls, reads, trickle, at, repeat, few
        # So many new connections in a second, whatever becomes of the others, from these addresses in turn.
        self.rate, self.addresses = rate, addresses


def key(text):
    return [("claviger-key", text)]


def h1(method, path, caller, more=""):
    return lambda n: f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nClaviger-Key: {caller(n)}\r\n{more}\r\n".encode()


known, hog, nobody = (lambda n: KNOWN), (lambda n: HOGS[n % 4]), (lambda n: "no-such-key")
LONG = "Content-Type: application/json\r\nContent-Length: 900000\r\n"
FORM = [("content-type", "application/x-www-form-urlencoded"), *((f"x{n}", "1") for n in range(80))]
JSON = [("content-type", "application/json"), ("content-length", "900000")]
SHORT = [("content-type", "application/json"), ("content-length", "60000")]
OPENING = b'{"name":"' + b"x" * 12_000
# As many streams as there may be at one time in the least memory, and as much on them as a connection may send ahead.
STREAMS, AHEAD = 20, b'{"name":"' + b"x" * 3_000


def h2(make, window=65535):
    return lambda n: preface(window) + make(n)


def held(caller):
    return h2(lambda n: streams(STREAMS, "GET", "/api/roles", key(caller(n))), 0)


def streamed(caller):
    return h2(lambda n: streams(STREAMS, "POST", "/api/roles", key(caller(n)) + JSON, False, AHEAD))


def half_sent(caller):
    return h2(lambda n: streams(STREAMS, "POST", "/api/roles", key(caller(n)) + SHORT, False, AHEAD))


def big(caller, path="/api/users"):
    return h2(lambda n: frame(8, 0, 0, struct.pack(">I", (1 << 31) - 70_000)) + streams(STREAMS, "GET", path, key(caller(n))), (1 << 31) - 1)


def mixed(n):
    kinds = [held(hog), streamed(hog), half_sent(hog), big(hog), big(hog, "/api/users?packed=1"), h2(lambda n: streams(STREAMS, "GET", "/api/organizations", key(hog(n))))]
    return kinds[n // 4 % len(kinds)](n)


def a_hello():
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        no_questions().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    return lambda n: hello


ATTACKS = {
    "tcp_idle": Attack(tls=None),
    "tcp_garbage": Attack(lambda n: b"\x16\x03\x01\x40\x00" + b"x" * 12_000, tls=None),
    "tls_idle": Attack(),
    "tls_hello_replayed": Attack(a_hello(), tls=None, rate=3000, addresses=ADDRESSES),
    "tls_hello_replayed_locally": Attack(a_hello(), tls=None, rate=1500),
    "h1_unfinished_head": Attack(lambda n: b"GET /api/roles HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 15_000),
    "h1_form_never_comes": Attack(lambda n: b"POST /oidc/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\n"),
    "h2_idle": Attack(h2(lambda n: b""), "h2"),
    "h2_forms_never_come": Attack(h2(lambda n: streams(STREAMS, "POST", "/oidc/token", FORM, False)), "h2"),
    "h2_refused_not_taken": Attack(h2(lambda n: streams(STREAMS, "GET", "/api/roles", key("no-such-key")), 0), "h2"),
    "h2_resets": Attack(h2(lambda n: b"".join(headers(2 * m + 1, "GET", "/api/roles", key(KNOWN)) + frame(3, 0, 2 * m + 1, b"\0\0\0\x08") for m in range(60))), "h2"),
    "known_h1_idle": Attack(h1("GET", "/api/roles", known)),
    "known_h1_does_not_read": Attack(h1("GET", "/api/users", known), reads=False),
    "known_h1_compressed": Attack(h1("GET", "/api/users?packed=1", known, "Accept-Encoding: gzip\r\n"), reads=False),
    "known_h1_upload_stalls": Attack(lambda n: h1("POST", "/api/roles", known, LONG)(n) + OPENING),
    "known_h1_upload_trickles": Attack(lambda n: h1("POST", "/api/roles", known, LONG)(n) + OPENING, trickle=b"x"),
    "known_h1_upstream_silent": Attack(h1("GET", "/api/organizations", known)),
    "known_h2_idle": Attack(h2(lambda n: streams(1, "GET", "/api/roles", key(KNOWN))), "h2"),
    "known_h2_held": Attack(held(known), "h2"),
    "known_h2_refused_not_taken": Attack(h2(lambda n: streams(STREAMS, "GET", "/api/nothing", key(KNOWN)), 0), "h2"),
    "known_h2_streamed": Attack(streamed(known), "h2"),
    "known_h2_half_sent": Attack(half_sent(known), "h2"),
    "known_h2_does_not_read": Attack(big(known), "h2", reads=False),
    "known_h2_large_heads": Attack(h2(lambda n: streams(STREAMS, "GET", "/api/organizations", key(KNOWN) + [("x", "y" * 12_000)])), "h2"),
    "four_hogs_held": Attack(held(hog), "h2"),
    "four_hogs_streamed": Attack(streamed(hog), "h2"),
    "four_hogs_do_not_read": Attack(big(hog), "h2", reads=False),
    "four_hogs_mixed": Attack(mixed, "h2", reads=False),
    "admin_idle": Attack(tls=None, at="admin"),
    "admin_requests": Attack(lambda n: b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", tls=None, at="admin", repeat=True, few=64),
    "log_unknown_keys": Attack(h1("GET", "/api/roles", nobody), repeat=True, few=200),
    "log_refused_by_policy": Attack(h1("GET", "/api/nothing", known), repeat=True, few=200),
    "log_overload": Attack(h2(lambda n: streams(STREAMS, "GET", "/api/organizations", key(KNOWN))), "h2", repeat=True, few=400),
    "log_handshakes": Attack(lambda n: b"\x16\x03\x01\x00\x05hello", tls=None, repeat=True, few=400),
    "log_plain_http": Attack(lambda n: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", tls=None, repeat=True, few=400),
    "served_flood": Attack(h1("GET", "/api/roles", known), repeat=True, few=200),
}


class Hostile(asyncio.Protocol):
    def __init__(self, attack, n):
        self.attack, self.n, self.ended = attack, n, asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.attack.send(self.n))
        if not self.attack.reads:
            transport.pause_reading()

    def data_received(self, data):
        if self.attack.repeat and self.attack.tls != "h2":
            self.transport.write(self.attack.send(self.n))

    def connection_lost(self, error):
        if not self.ended.done():
            self.ended.set_result(None)


async def one(attack, n, port, counts, gate):
    loop = asyncio.get_running_loop()
    context = no_questions()
    if attack.tls:
        context.set_alpn_protocols([attack.tls])
    while True:
        try:
            async with gate:
                plain = socket.socket()
                plain.setblocking(False)
                if not attack.reads:
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await asyncio.wait_for(loop.sock_connect(plain, ("127.0.0.1", port)), 5)
                how = {"ssl": context, "server_hostname": "localhost", "ssl_handshake_timeout": 5} if attack.tls else {}
                transport, hostile = await loop.create_connection(lambda: Hostile(attack, n), sock=plain, **how)
            counts["opened"] += 1
            if attack.trickle:
                while not hostile.ended.done():
                    transport.write(attack.trickle)
                    await asyncio.wait([hostile.ended], timeout=1)
            elif attack.repeat and attack.tls == "h2":
                await asyncio.wait([hostile.ended], timeout=0.5)
                transport.abort()
            else:
                await hostile.ended
        except (OSError, asyncio.TimeoutError):
            pass
        await asyncio.sleep(0.1)


def flood(attack, port, count, counts, is_over):
    """New connections at a steady rate, none of which is continued; each is left open as long as there is room for it here."""
    left_open, begun, n = collections.deque(maxlen=count), time.monotonic(), 0
    while not is_over():
        if n > (time.monotonic() - begun) * attack.rate:
            time.sleep(0.001)
            continue
        n += 1
        with contextlib.suppress(OSError):
            source = (attack.addresses[n % len(attack.addresses)], 0) if attack.addresses else None
            plain = socket.create_connection(("127.0.0.1", port), timeout=1, source_address=source)
            # Closed by being forgotten.
            left_open.append(plain)
            plain.sendall(attack.send(n))
            counts["opened"] += 1


def attacker(name, port, count, pipe):
    if ATTACKS[name].rate:
        counts = {"opened": 0}
        flood(ATTACKS[name], port, count, counts, pipe.poll)
        pipe.send((pipe.recv(), counts["opened"]))
        os._exit(0)

    async def run():
        attack, counts, gate = ATTACKS[name], {"opened": 0}, asyncio.Semaphore(64)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        tasks = [asyncio.create_task(one(attack, n, port, counts, gate)) for n in range(min(count, attack.few or count))]
        told = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        pipe.send((told, counts["opened"]))
        os._exit(0)

    asyncio.run(run())


def assault(name, args, upstream_port):
    proxy = Proxy(args.claviger, upstream_port, args.memory * MIB, args.log)
    attack = ATTACKS[name]
    http.client.HTTPSConnection("localhost", proxy.port, timeout=5, context=no_questions()).request("GET", "/api/roles", headers={"Claviger-Key": CALM})
    time.sleep(0.3)
    idle = proxy.group.now()
    before, begun = proxy.lines, time.monotonic()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=attacker, args=(name, getattr(proxy, attack.at), args.connections, theirs))
    process.start()
    time.sleep(0.5)
    others = Others(proxy)
    while time.monotonic() - begun < args.seconds and proxy.process.poll() is None:
        proxy.group.look()
        time.sleep(0.02)
    others.finish()
    lasted, lines = time.monotonic() - begun, proxy.lines - before
    ours.send("enough")
    opened = ours.recv()[1] if ours.poll(10) else 0
    process.kill()
    process.join()
    killed = proxy.process.poll() is not None or proxy.group.peak > args.memory * MIB
    after = 0
    for _ in range(60):
        if proxy.process.poll() is not None:
            break
        after = proxy.group.now()
        if after < args.memory * MIB // 2:
            break
        time.sleep(0.25)
    proxy.close()
    asked = sum(map(len, others.took.values()))
    row = {
        "attack": name, "opened": opened, "idle": idle / MIB, "peak": proxy.group.peak / MIB, "after": after / MIB, "killed": killed,
        **{kind: others.p99(kind) for kind in others.took},
        "failed": len(others.failed), "asked": asked, "lines": lines / lasted,
    }
    wrong = []
    if killed:
        wrong.append("killed, or would have been")
    if len(others.failed) * 100 > asked:
        wrong.append(f"others failed: {others.failed[:2]}")
    for kind in others.took:
        if row[kind] > PATIENCE:
            wrong.append(f"{kind}: p99 {row[kind] * 1000:.0f} ms")
    # Whatever was served has its own line where that is configured.
    if row["lines"] > LINES:
        wrong.append(f"{row['lines']:.0f} lines a second")
    if not killed and after > args.memory * MIB // 2:
        wrong.append("memory does not come back")
    return row, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--claviger", default=ROOT / "target" / "release" / "claviger")
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--memory", type=int, default=64, help="MiB")
    parser.add_argument("--log", type=argparse.FileType("wb"))
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in ATTACKS]:
        parser.error(f"no such attack: {unknown}")
    if "ATTACKS_NETWORK" not in os.environ:
        os.environ["ATTACKS_NETWORK"] = "in their own network"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    multiprocessing.set_start_method("fork")
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=upstream, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    group = Group(args.memory * MIB)
    kind = group.kind()
    group.close()
    print(f"== {args.connections} connections, {args.memory} MiB, {args.seconds:.0f} s each; {kind}", flush=True)
    print(f"{'attack':28} {'opened':>7} {'idle':>5} {'peak':>6} {'after':>6} killed {'kept':>6} {'new':>6} {'far':>6} {'probe':>6} {'failed':>11} {'lines/s':>8}")
    bad = 0
    for name in args.names or ATTACKS:
        row, wrong = assault(name, args, port)
        ms = lambda kind: f"{min(row[kind], 99) * 1000:6.0f}"
        print(f"{name:28} {row['opened']:7} {row['idle']:5.1f} {row['peak']:6.1f} {row['after']:6.1f} {'YES' if row['killed'] else 'no':>6} "
              f"{ms('kept')} {ms('new')} {ms('far')} {ms('probe')} {row['failed']:5}/{row['asked']:5} {row['lines']:8.1f}  {'; '.join(wrong)}", flush=True)
        bad += bool(wrong)
    server.kill()
    if bad:
        sys.exit(f"attacks: {bad} did not hold")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
