#!/usr/bin/env python3
"""What becomes of interactive requests and of sign-in while an export asks for ten times the tenant's quota.

The tenant is `claviger emulate --quota 200/10s`: a true bucket, which sign-in draws on too. The same load goes straight to it, through
nginx (limit_req), through Envoy (local_ratelimit), and through Claviger; each of them keeps to the same share, 14 requests a second with
30 on top. Needs two idle cores; `make quota` runs it.
"""
import argparse
import asyncio
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from servers import KEY, ROOT, Bench, Broken, Server, ask, envoy_binary, fill, free_port, private, say, tool

PATH = "/api/roles?page=1&page_size=1"
KEYS = {name: f"cvk_{name}_0123456789abcdefghijklmnopqrstuvwxyz" for name in ("export", "console", "support", "webshop")}
# Who asks, how often a second, and over how many connections.
INTERACTIVE = {"console": 2, "support": 2, "webshop": 1}
EXPORT, CONNECTIONS, SIGN_IN = 200, 140, 3
SHARE = 14.0

CONFIG = """
workers = 1
[listen]
proxy = ["127.0.0.1:{port}"]
admin = "127.0.0.1:{admin}"
[tenants.acme]
endpoint = "http://127.0.0.1:{upstream}"
client_id = "emulator-app"
client_secret = {{ file = "{directory}/secret" }}
quota = {{ requests = 200, per = "10s", share = 0.7 }}
[policies.all]
allow = ["roles:read"]
"""
CALLER = """
[callers.{name}]
identify = {{ api_key = {{ file = "{directory}/{name}" }} }}
priority = "{priority}"
policies = ["all"]
"""


class Connection:
    """Kept alive, HTTP/1.1."""

    def __init__(self, port):
        self.port, self.streams = port, None

    async def ask(self, head):
        """The status of the answer, and the seconds until it was there."""
        began = time.perf_counter()
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(f"{head}\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if length := re.search(r"\r\ncontent-length: (\d+)", fields):
            await reader.readexactly(int(length[1]))
        elif "transfer-encoding: chunked" in fields:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        if "\r\nconnection: close" in fields:
            writer.close()
            self.streams = None
        return int(fields[9:12]), time.perf_counter() - began


class Asked:
    """What became of one kind of request."""

    def __init__(self):
        self.answers = []

    async def steadily(self, port, head, rate, until):
        """Each is sent when it is due, whatever became of those before."""
        free, tasks, began, number = [], [], time.perf_counter(), 0

        async def one():
            connection = free.pop() if free else Connection(port)
            self.answers.append(await connection.ask(head))
            free.append(connection)

        while (due := began + number / rate) < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one()))
            number += 1
        await asyncio.gather(*tasks)

    async def greedily(self, port, head, rate, connections, until):
        """So often a second over all connections, or as often as the answers come."""
        async def one(connection, every):
            due = time.perf_counter()
            while (now := time.perf_counter()) < until:
                answer = await connection.ask(head)
                if time.perf_counter() < until:
                    self.answers.append(answer)
                due = max(due + every, now)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))

        await asyncio.gather(*(one(Connection(port), connections / rate) for _ in range(connections)))

    def count(self, good):
        return sum(good(status) for status, _ in self.answers)

    def p99(self):
        times = sorted(took for status, took in self.answers if status == 200)
        return times[int(len(times) * 0.99)] * 1000 if times else float("nan")


async def load(port, upstream, headers, seconds):
    until = time.perf_counter() + seconds
    export, people, sign_in = Asked(), Asked(), Asked()
    head = lambda name: f"GET {PATH} HTTP/1.1{headers(name)}"
    await asyncio.gather(
        export.greedily(port, head("export"), EXPORT, CONNECTIONS, until),
        *(people.steadily(port, head(name), rate, until) for name, rate in INTERACTIVE.items()),
        sign_in.steadily(upstream, "GET /oidc/jwks HTTP/1.1", SIGN_IN, until))
    return export, people, sign_in


class Comparison:
    def __init__(self, options, directory):
        self.options, self.directory = options, Path(directory)
        self.bench = Bench(options, directory)
        private(self.directory / "secret", "emulator-secret")
        for name, key in KEYS.items():
            private(self.directory / name, key)

    def emulator(self):
        server = Server("emulator", "1", [self.options.claviger, "emulate", "--listen", "127.0.0.1:0", "--quota", "200/10s"],
                        self.directory)
        self.bench.servers.append(server)
        for _ in range(500):
            if found := re.search(r"http://127.0.0.1:(\d+)", server.log.read_text(errors="replace")):
                return int(found[1])
            time.sleep(0.02)
        raise Broken("the emulator says no address")

    def token(self, upstream):
        form = ("grant_type=client_credentials&client_id=emulator-app&client_secret=emulator-secret&scope=all"
                "&resource=https%3A%2F%2Fdefault.logto.app%2Fapi")
        headers = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
        status, _, body = ask(upstream, "POST", "/oidc/token", headers, form)
        if status != 200:
            raise Broken(f"no token: {status} {body}")
        return json.loads(body)["access_token"]

    def through(self, name):
        """Starts an emulator, and what stands in front of it. Its port, the emulator's, and what callers send to be known."""
        upstream = self.emulator()
        token = self.token(upstream)
        self.bench.upstream_port = upstream
        bearer = lambda _: f"\r\nAuthorization: Bearer {token}"
        if name == "straight":
            return upstream, upstream, bearer
        port = free_port()
        if name == "claviger":
            text = CONFIG.format(port=port, admin=free_port(), upstream=upstream, directory=self.directory)
            for caller in KEYS:
                priority = "batch" if caller == "export" else "interactive"
                text += CALLER.format(name=caller, directory=self.directory, priority=priority)
            path = self.directory / "quota.toml"
            path.write_text(text)
            self.bench.start(name, "0", [self.options.claviger, "serve", "--config", path])
            key = lambda caller: f"\r\nClaviger-Key: {KEYS[caller]}"
            self.answers(port, key)
            return port, upstream, key
        if name == "envoy":
            bucket = "{ max_tokens: 30, tokens_per_fill: 14, fill_interval: 1s }"
            text = fill("envoy.yaml", self.bench.values(PORT=port, ADMIN_PORT=free_port(), TOKEN=token))
            text = re.sub(r"token_bucket: \{[^}]*\}", f"token_bucket: {bucket}", text)
            path = self.directory / "quota-envoy.yaml"
            path.write_text(text)
            self.bench.start(name, "0", [envoy_binary(), "-c", path, "--concurrency", "1", "--log-level", "warn",
                                         "--disable-hot-restart"])
            known = lambda _: f"\r\nAuthorization: Bearer {KEY}"
            self.answers(port, known)
            return port, upstream, known
        waiting = "nodelay" if name == "nginx, nodelay" else ""
        config = self.bench.write("quota-nginx.conf", "quota-nginx.conf", PORT=port, TOKEN=token, WAITING=waiting)
        self.bench.start("nginx", "0", [tool("nginx"), "-p", self.directory, "-e", self.directory / "nginx-error.log", "-c", config])
        self.answers(port, lambda _: "")
        return port, upstream, lambda _: ""

    @staticmethod
    def answers(port, headers):
        for _ in range(500):
            try:
                if ask(port, "GET", PATH, headers("console").split("\r\n")[1:])[0] == 200:
                    return
            except (OSError, Broken):
                pass
            time.sleep(0.02)
        raise Broken("it does not answer")

    def measure(self, name):
        port, upstream, headers = self.through(name)
        # The bucket is full again, and what came before is forgotten.
        time.sleep(10)
        export, people, sign_in = asyncio.run(load(port, upstream, headers, self.options.seconds))
        self.bench.stop_all()
        is_good, is_limited = (lambda status: status == 200), (lambda status: status == 429)
        sent = export.count(is_good) + people.count(is_good)
        return {
            "name": name,
            "share": sent / (SHARE * self.options.seconds) * 100,
            "export": export.count(is_good), "export_429": export.count(is_limited),
            "people": people.count(is_good), "people_429": people.count(is_limited), "people_p99_ms": people.p99(),
            "sign_in": sign_in.count(is_good), "sign_in_429": sign_in.count(is_limited),
            "other": sum(it.count(lambda status: status not in (200, 429)) for it in (export, people, sign_in)),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claviger", type=Path, default=ROOT / "target/release/claviger")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", action="append", help="straight, nginx, 'nginx, nodelay', envoy or claviger; may be repeated")
    options = parser.parse_args()
    names = options.only or ["straight", "nginx", "nginx, nodelay", "envoy", "claviger"]
    say(f"{'through':<16}{'of the share':>13}{'export':>8}{'429':>7}{'people':>8}{'429':>6}{'p99 ms':>9}{'sign-in':>9}{'429':>6}")
    with tempfile.TemporaryDirectory() as directory:
        comparison = Comparison(options, directory)
        try:
            for name in names:
                it = comparison.measure(name)
                say(f"{it['name']:<16}{it['share']:>12.1f}%{it['export']:>8}{it['export_429']:>7}{it['people']:>8}"
                    f"{it['people_429']:>6}{it['people_p99_ms']:>9.1f}{it['sign_in']:>9}{it['sign_in_429']:>6}"
                    + (f"   {it['other']} of another status" if it["other"] else ""))
        except Broken as broken:
            raise SystemExit(f"quota: {broken}")
        finally:
            comparison.bench.stop_all()


if __name__ == "__main__":
    main()
