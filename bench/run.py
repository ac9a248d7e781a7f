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
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cache
import features
import identify
from load import Load, rounds
from servers import (BODY, HERE, KEY, LOAD_CORE, PROXY_CORE, ROOT, TARGETS, TOKEN, Bench, Broken, ask, envoy_binary,
                     private, say, tool, wait_ready_authorized)

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


# --- Claviger alone -------------------------------------------------------------------

def many(bench, size):
    """Puts `size` - 1 more tenants, callers and rules beside those of the bench configuration."""
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
    last_rule = '  "GET /api/newer-than-the-catalog/{id}",\n'
    return lambda text: text.replace(last_rule, last_rule + rules) + "\n" + "\n".join(more)


def measure_size(bench, target, options):
    """CPU per request with 1 and with 10,000 tenants, callers and rules, alternating."""
    loads, facts = {}, {}
    for size in (1, options.size):
        server, port, ready_ms = bench.start_claviger(f"claviger-{size}", many(bench, size))
        verify("claviger", port, target)
        loads[str(size)] = Load(server, port, target)
        facts[str(size)] = {"ready_ms": ready_ms, "idle_kib": server.memory()}
    say(f"cost independent of size: 1 beside {options.size} tenants, callers and rules")
    seen = rounds(loads, 32, options.rounds, options.seconds)
    for load in loads.values():
        bench.stop(load.server)
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


SECTIONS = ["peers", "features", "size", "identify", "cache"]


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=6, help="length of one round of one proxy")
    p.add_argument("--connections", type=int, nargs="+", default=[32, 64, 1])
    p.add_argument("--target", choices=TARGETS, default="list", help="a page of users with links, or one user")
    p.add_argument("--without", action="append", default=[], choices=["claviger", "nginx", "haproxy", "envoy"])
    p.add_argument("--claviger", type=Path, default=ROOT / "target" / "release" / "claviger", metavar="BINARY")
    p.add_argument("--beside", type=Path, metavar="BINARY", help="another build of Claviger, to be measured in the same rounds")
    p.add_argument("--size", type=int, default=10_000, help="tenants, callers and rules of the large configuration")
    p.add_argument("--only", nargs="+", default=SECTIONS, choices=SECTIONS, help="these sections alone")
    p.add_argument("--verify-only", action="store_true", help="check the answers and stop")
    p.add_argument("--out", type=Path, default=HERE / "results" / "latest.json")
    options = p.parse_args()
    if options.rounds < 1 or options.seconds < 1 or min(options.connections) < 1 or options.size < 2:
        p.error("rounds, seconds and connections start at 1, size at 2")
    return options


def measure_peers(bench, target, options, result):
    """Claviger beside the other proxies; fills `load`, `memory`, `versions` and what is known of Claviger alone."""
    loads, memory, versions = {}, {}, {}
    if "claviger" not in options.without:
        versions["claviger"] = version([options.claviger, "--version"])
        if not options.verify_only:
            result["start"] = measure_start(bench)
            result["binary_bytes"] = stripped_size(options.claviger, bench.directory)
        server, port, _ = bench.start_claviger()
        loads["claviger"] = Load(server, port, target)
    starters = {"nginx": (bench.start_nginx, lambda: [tool("nginx"), "-v"]),
                "haproxy": (bench.start_haproxy, lambda: [tool("haproxy"), "-v"]),
                "envoy": (bench.start_envoy, lambda: [envoy_binary(), "--version"])}
    for name, (starter, asks_version) in starters.items():
        if name in options.without:
            continue
        versions[name] = version(asks_version())
        server, port = starter()
        wait_ready_authorized(server, port, KEY)
        loads[name] = Load(server, port, target)
    for name, load in loads.items():
        memory[name] = {"idle_kib": load.server.memory()}
        verify(name, load.port, target)
    say("answers are right: " + ", ".join(f"{name} ({versions[name]})" for name in loads))
    if options.verify_only:
        return
    say(f"load: GET {target}, {len(BODY)} byte body; {options.rounds} rounds of {options.seconds} s, medians; "
        f"proxy on core {PROXY_CORE}, upstream and wrk on core {LOAD_CORE}\n")
    result["load"] = {}
    for connections in options.connections:
        seen = rounds(loads, connections, options.rounds, options.seconds)
        add_ratios(seen)
        for name, load in loads.items():
            memory[name]["peak_kib"] = load.server.memory_peak()
        result["load"][str(connections)] = seen
        say(f"\n{connections} connection{'s' if connections > 1 else ''}\n{table(seen, memory)}\n")
    result.update(memory=memory, versions=versions)
    for load in loads.values():
        bench.stop(load.server)
    if "start" in result:
        s = result["start"]
        say(f"claviger: start to ready {s['ready_ms']:.1f} ms (worst {s['ready_ms_max']:.1f}), idle "
            f"{s['idle_kib'] / 1024:.1f} MiB, stripped binary {result['binary_bytes'] / 1e6:.1f} MB")


def run(options, bench):
    target, result = TARGETS[options.target], {}
    claviger = "claviger" not in options.without
    if claviger and not options.claviger.exists():
        raise Broken(f"{options.claviger} is missing: build it with `cargo build --release --locked`")
    bench.start_upstream()
    if "peers" in options.only:
        measure_peers(bench, target, options, result)
    if "features" in options.only and claviger:
        result["features"] = features.run(bench, options, target, verify)
    if "size" in options.only and claviger and not options.verify_only:
        result["size"] = measure_size(bench, target, options)
        large = result["size"]["sizes"][str(options.size)]
        say(f"claviger: CPU per request with {options.size} tenants, callers and rules is "
            f"{result['size']['ratio_cpu']:.2f} times that with one; start to ready {large['ready_ms']:.0f} ms, "
            f"idle {large['idle_kib'] / 1024:.1f} MiB")
    if "identify" in options.only and claviger:
        result["identify"] = identify.run(bench, options)
    if "cache" in options.only and claviger and "nginx" not in options.without:
        result["cache"] = cache.run(bench, options, target)
    if options.verify_only:
        return None
    result.update(target=target, body_bytes=len(BODY), rounds=options.rounds, seconds=options.seconds,
                  kernel=os.uname().release, taken=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
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
