#!/usr/bin/env python3
"""Two hundred tenants created at one time while others are used: does a request fail, and how much slower are they?

Starts the emulator with an account at Logto Cloud and Claviger in front of it, creates tenants to be used, sends a steady load to
them, first alone, then by turns beside creations that go straight to the emulator (what that costs is the machine's) and beside
creations through Claviger, and compares. A burst is over in a quarter of a second, so the requests of many are counted together.
Claviger has core 0, with one worker, and all others have core 1. Standard library only.
"""
import argparse
import asyncio
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import time

CONFIG = """
workers = 1
[listen]
proxy = ["unix:{home}/proxy.sock"]
admin = "unix:{home}/admin.sock"
[cloud.default]
endpoint = "{cloud}"
token = {{ file = "{home}/pat" }}
template = "customer"
[tenant_templates.customer]
labels = ["customer"]
quota = "off"
[vault]
store = {{ file = "{home}/vault.redb" }}
key = {{ file = "{home}/key" }}
[limits]
queue = 512
[timeouts]
deadline = "60s"
[policies.all]
allow = ["cloud:CreateTenant", "cloud:DeleteTenant", {rule}]
[callers.local]
identify = {{ loopback = true }}
cloud = "default"
tenants = [{{ label = "customer" }}]
policies = ["all"]
"""


# Seconds of load before the first burst, and from one burst to the next.
ALONE, EACH = 6, 3
# So that the load asks Claviger alone, and waits for no emulator that makes tenants.
KEPT = '{ operation = "ListRoles", cache = "1h" }'


async def ask(connection, method, path, body=b"", alias="", headers=""):
    reader, writer = connection
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n" if body else ""
    head += f"Claviger-Tenant: {alias}\r\n" if alias else ""
    writer.write((head + headers).encode() + b"\r\n" + body)
    status, length, chunked = int((await reader.readline()).split()[1]), 0, False
    while (line := (await reader.readline()).strip()):
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
        chunked |= name.lower() == "transfer-encoding"
    answer = b""
    while chunked and (size := int(await reader.readline(), 16)):
        answer += await reader.readexactly(size)
        await reader.readline()
    if chunked:
        await reader.readline()
    return status, answer + await reader.readexactly(length)


class Load:
    """Requests at a steady rate, each begun when it is due, whatever became of the others."""

    def __init__(self, home, rate, used):
        self.home, self.rate, self.used = home, rate, used
        self.free, self.seen = [], []

    async def one(self, number):
        began = time.perf_counter()
        connection = self.free.pop() if self.free else await asyncio.open_unix_connection(f"{self.home}/proxy.sock")
        status, answer = await ask(connection, "GET", f"/t/used-{number % self.used}/api/roles?page=1&page_size=1")
        self.seen.append((began, time.perf_counter() - began, None if status == 200 else (status, answer[:200].decode())))
        self.free.append(connection)

    async def run(self, seconds):
        began, tasks, number = time.perf_counter(), [], 0
        while time.perf_counter() < began + seconds:
            due = began + number / self.rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self.one(number)))
            number += 1
        await asyncio.gather(*tasks)
        return self.seen


def load(home, rate, used, seconds):
    """In a process of its own, ahead of the others: what it waits for its turn at the processor is not Claviger's."""
    try:
        os.nice(-15)
    except PermissionError:
        print("without the right to raise its priority, the load measures its own waits for the processor too")
    print(json.dumps(asyncio.run(Load(home, rate, used).run(seconds))))


class Beside:
    """Requests that began in any of these periods."""

    def __init__(self, seen, periods):
        inside = [(took, failed) for at, took, failed in seen if any(began <= at < ended for began, ended in periods)]
        self.took = sorted(took for took, _ in inside)
        self.failed = [failed for _, failed in inside if failed]

    def p(self, share):
        return self.took[int(len(self.took) * share)] * 1000

    def __str__(self):
        return f"{len(self.took)} requests, p50 {self.p(.5):.2f} ms, p99 {self.p(.99):.2f} ms, {len(self.failed)} failed"


async def create(connecting, alias, headers=""):
    connection = await connecting
    body = json.dumps({"name": alias, "tag": "development", "regionName": "EU"}).encode()
    path = "/api/tenants" if headers else "/cloud/api/tenants"
    status, answer = await ask(connection, "POST", path, body, alias, headers)
    connection[1].close()
    return status, answer


async def delete(connecting, made, headers):
    """One after the other: the emulator has room for a thousand."""
    connection = await connecting
    for status, answer in made:
        if status == 201:
            path = ("/api/tenants/" if headers else "/cloud/api/tenants/") + json.loads(answer)["id"]
            status, answer = await ask(connection, "DELETE", path, headers=headers)
            assert status == 204, (status, answer)
    connection[1].close()


async def measure(home, args, cloud, pat):
    through = lambda: asyncio.open_unix_connection(f"{home}/proxy.sock")
    past = lambda: asyncio.open_connection(*cloud.removeprefix("http://").split(":"))
    for number in range(args.used):
        status, answer = await create(through(), f"used-{number}")
        assert status == 201, (status, answer)
    ways = {"past Claviger": (past, f"Authorization: Bearer {pat}\r\n"), "through Claviger": (through, "")}
    periods, refused = {what: [] for what in ways}, []
    command = [sys.executable, __file__, "--load", home, "--rate", str(args.rate), "--used", str(args.used),
               "--seconds", str(ALONE + args.bursts * len(ways) * EACH)]
    loading = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 30)
    await asyncio.sleep(ALONE)
    for burst in range(args.bursts):
        for what, (connect, headers) in ways.items():
            began = time.perf_counter()
            aliases = (f"new-{what[:4]}-{burst}-{n}" for n in range(args.created))
            made = await asyncio.gather(*(create(connect(), alias, headers) for alias in aliases))
            periods[what].append((began, time.perf_counter()))
            refused += [answer for answer in made if answer[0] != 201]
            await delete(connect(), made, headers)
            await asyncio.sleep(max(began + EACH - time.perf_counter(), EACH / 2))
    seen = json.loads((await loading.communicate())[0].splitlines()[-1])
    # The first second opens connections.
    alone = Beside(seen, [(seen[0][0] + 1, periods["past Claviger"][0][0])])
    print(f"alone: {alone}")
    beside = {what: Beside(seen, those) for what, those in periods.items()}
    for what, those in periods.items():
        each = sorted(ended - began for began, ended in those)
        print(f"beside {args.bursts} bursts of {args.created} creations {what}, {each[len(each) // 2]:.2f} s each: {beside[what]}")
    failed = [one for _, _, one in seen if one]
    for one in (failed + refused)[:5]:
        print(one)
    slower = beside["through Claviger"].p(.99) - alone.p(.99)
    print(f"slower at p99 by {slower:.2f} ms; {len(refused)} creations refused")
    return not (failed or refused) and (args.bar is None or slower <= args.bar)


def announced(process):
    for line in process.stdout:
        if found := re.search(r"http://[0-9.]+:[0-9]+", line):
            return found.group()
    raise SystemExit("the emulator says no address")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claviger", default="target/release/claviger")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--used", type=int, default=10)
    parser.add_argument("--created", type=int, default=200)
    parser.add_argument("--bursts", type=int, default=10)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help="the load is answered from the cache: what the emulator does meanwhile is left out")
    parser.add_argument("--bar", type=float, help="milliseconds that p99 may rise")
    parser.add_argument("--load", metavar="HOME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        load(args.load, args.rate, args.used, args.seconds)
        return True
    with tempfile.TemporaryDirectory() as directory:
        home, pat = pathlib.Path(directory), "pat_" + secrets.token_hex(16)
        for name, text in (("pat", pat), ("key", secrets.token_hex(32))):
            (home / name).write_text(text)
            (home / name).chmod(0o600)
        os.sched_setaffinity(0, {1})
        command = [args.claviger, "emulate", "--listen", "127.0.0.1:0", "--cloud-token", pat]
        emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        proxy = None
        try:
            cloud = announced(emulator)
            (home / "claviger.toml").write_text(CONFIG.format(home=home, cloud=cloud, rule=KEPT if args.kept else '"ListRoles"'))
            ready = home / "ready"
            with (home / "log").open("w") as log:
                command = ["taskset", "-c", "0", args.claviger, "serve", "--config", home / "claviger.toml", "--ready-file", ready]
                proxy = subprocess.Popen(command, stdout=log, stderr=log)
            while not ready.exists():
                if proxy.poll() is not None:
                    raise SystemExit((home / "log").read_text())
                time.sleep(0.05)
            return asyncio.run(measure(home, args, cloud, pat))
        finally:
            for process in filter(None, (proxy, emulator)):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
