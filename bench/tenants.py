#!/usr/bin/env python3
"""Two hundred tenants created at one time while others are used: does a request fail, and how much slower are they?

Starts the emulator with an account at Logto Cloud and Claviger in front of it, creates tenants to be used, sends a steady load to
them, first alone and then with the creations beside it, and compares. Standard library only.
"""
import argparse
import asyncio
import json
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import time

CONFIG = """
workers = 2
[listen]
proxy = ["unix:{home}/proxy.sock"]
admin = "unix:{home}/admin.sock"
[cloud.default]
endpoint = "{cloud}"
token = {{ file = "{home}/pat" }}
template = "customer"
max_in_flight = 64
[tenant_templates.customer]
labels = ["customer"]
quota = "off"
max_in_flight = 64
[vault]
store = {{ file = "{home}/vault.redb" }}
key = {{ file = "{home}/key" }}
[limits]
queue = 512
[timeouts]
deadline = "60s"
[policies.all]
allow = ["roles:read", "cloud:CreateTenant"]
[callers.local]
identify = {{ loopback = true }}
cloud = "default"
tenants = [{{ label = "customer" }}]
policies = ["all"]
"""


async def ask(connection, method, path, body=b"", alias=""):
    reader, writer = connection
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n" if body else ""
    head += f"Claviger-Tenant: {alias}\r\n" if alias else ""
    writer.write(head.encode() + b"\r\n" + body)
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
        self.free, self.took, self.failed = [], [], []

    async def one(self, number):
        began = time.perf_counter()
        connection = self.free.pop() if self.free else await asyncio.open_unix_connection(f"{self.home}/proxy.sock")
        status, answer = await ask(connection, "GET", f"/t/used-{number % self.used}/api/roles?page=1&page_size=1")
        self.took.append(time.perf_counter() - began)
        if status != 200:
            self.failed.append((status, answer[:200]))
        self.free.append(connection)

    async def run(self, until):
        began, tasks, number = time.perf_counter(), [], 0
        while not until():
            due = began + number / self.rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self.one(number)))
            number += 1
        await asyncio.gather(*tasks)
        return number / (time.perf_counter() - began)

    def p(self, share):
        return sorted(self.took)[int(len(self.took) * share)] * 1000


async def create(home, alias):
    connection = await asyncio.open_unix_connection(f"{home}/proxy.sock")
    body = json.dumps({"name": alias, "tag": "development", "regionName": "EU"}).encode()
    status, answer = await ask(connection, "POST", "/cloud/api/tenants", body, alias)
    connection[1].close()
    return status, answer


async def measure(home, args):
    for number in range(args.used):
        status, answer = await create(home, f"used-{number}")
        assert status == 201, (status, answer)
    alone, beside = Load(home, args.rate, args.used), Load(home, args.rate, args.used)
    await Load(home, args.rate, args.used).run(lambda t=time.perf_counter() + 2: time.perf_counter() > t)
    rate = await alone.run(lambda t=time.perf_counter() + args.seconds: time.perf_counter() > t)
    began = time.perf_counter()
    creating = asyncio.gather(*(create(home, f"new-{number}") for number in range(args.created)))
    rate_beside = await beside.run(creating.done)
    took = time.perf_counter() - began
    refused = [answer for answer in await creating if answer[0] != 201]
    for what, load, rate in (("alone", alone, rate), ("beside the creations", beside, rate_beside)):
        print(f"{what}: {len(load.took)} requests, {rate:.0f}/s, p50 {load.p(.5):.2f} ms, p99 {load.p(.99):.2f} ms, {len(load.failed)} failed")
    print(f"{args.created} tenants created in {took:.2f} s, {len(refused)} refused")
    for failed in (alone.failed + beside.failed + refused)[:5]:
        print(failed)
    slower = beside.p(.99) - alone.p(.99)
    print(f"slower at p99 by {slower:.2f} ms")
    return not (alone.failed or beside.failed or refused) and (args.bar is None or slower <= args.bar)


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
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bar", type=float, help="milliseconds that p99 may rise")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home, pat = pathlib.Path(directory), "pat_" + secrets.token_hex(16)
        for name, text in (("pat", pat), ("key", secrets.token_hex(32))):
            (home / name).write_text(text)
            (home / name).chmod(0o600)
        command = [args.claviger, "emulate", "--listen", "127.0.0.1:0", "--cloud-token", pat]
        emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        proxy = None
        try:
            (home / "claviger.toml").write_text(CONFIG.format(home=home, cloud=announced(emulator)))
            ready = home / "ready"
            with (home / "log").open("w") as log:
                command = [args.claviger, "serve", "--config", home / "claviger.toml", "--ready-file", ready]
                proxy = subprocess.Popen(command, stdout=log, stderr=log)
            while not ready.exists():
                if proxy.poll() is not None:
                    raise SystemExit((home / "log").read_text())
                time.sleep(0.05)
            return asyncio.run(measure(home, args))
        finally:
            for process in filter(None, (proxy, emulator)):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
