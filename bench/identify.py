"""What each way to identify costs Claviger: one process for each configuration, the same request to all.

All go through one HAProxy on core 1 that passes bytes on: wrk can neither show a client certificate nor ask over a
Unix socket, HAProxy can do both. Only Claviger's CPU time counts, so what differs between two ways is Claviger's.
"""
import json
import os
from dataclasses import dataclass, field

import credentials
from load import Load, rounds
from servers import BODY, KEY, LOAD_CORE, TARGETS, Broken, ask, free_port, say, tool, wait_ready

CONNECTIONS = 32
# More than Claviger remembers (10,000): shown in turn, each has been forgotten when its turn comes again.
DISTINCT_TOKENS = 12_000
API_KEY = f"Authorization: Bearer {KEY}"
WRONG_KEY = f"Claviger-Key: {KEY}x"
CLOSE = "Connection: close"
BASE = "loopback"


@dataclass
class Way:
    door: str
    headers: list
    refused: list  # what is answered 401, by `refused_at` or by the same door
    refused_at: str | None = None
    tokens: list = field(default_factory=list)


class Doors:
    """HAProxy in TCP mode: a port on core 1 for each way to reach a server of Claviger's."""

    def __init__(self):
        self.ports, self.lines = {}, []

    def open(self, name, address, options=""):
        self.ports[name] = free_port()
        self.lines += [f"listen {name}", f"    bind 127.0.0.1:{self.ports[name]}",
                       f"    server claviger {address} {options}"]

    def start(self, bench):
        path = bench.directory / "doors.cfg"
        path.write_text("\n".join([
            "global", "    nbthread 1", "    maxconn 4096",
            "defaults", "    mode tcp", "    timeout connect 5s", "    timeout client 60s", "    timeout server 60s",
            *self.lines, ""]))
        return bench.start("doors", LOAD_CORE, [tool("haproxy"), "-db", "-f", path])


def start_servers(bench):
    """Claviger once for each configuration; returns servers and doors."""
    directory = bench.directory
    tls = f'cert = "{directory}/tls.crt", key = "{directory}/tls.key"'
    issuer = (f'[issuers.kubernetes]\nissuer = "{credentials.ISSUER}"\naudience = "{credentials.AUDIENCE}"\n'
              f'jwks = {{ file = "{directory}/jwks.json" }}')
    configurations = {
        "loopback": {"IDENTIFY": "{ loopback = true }"},
        "unix": {"IDENTIFY": f"{{ unix_uid = {os.getuid()} }}", "LISTEN": f"unix:{directory}/claviger.sock"},
        "key": {"MORE": '[broker]\nttl = "12h"'},
        "jwt": {"IDENTIFY": f'{{ service_account = "{credentials.ACCOUNT}" }}', "MORE": issuer},
        "tls": {"TLS": f"tls = {{ {tls} }}"},
        "mtls": {"IDENTIFY": f'{{ spiffe = "{credentials.SPIFFE}" }}',
                 "TLS": f'tls = {{ {tls}, client_ca = "{directory}/ca.crt" }}'},
    }
    servers, doors = {}, Doors()
    for name, values in configurations.items():
        server, port, _ = bench.start_claviger(f"claviger-{name}", **values)
        servers[name] = server
        address = f"127.0.0.1:{port}"
        secured = f"ssl verify required ca-file {directory}/ca.crt no-ssl-reuse"
        match name:
            case "unix":
                doors.open("unix", f"unix@{directory}/claviger.sock")
            case "tls":
                doors.open("tls", address, secured)
            case "mtls":
                doors.open("mtls", address, f"{secured} crt {directory}/client.pem")
                doors.open("mtls-anonymous", address, secured)
            case _:
                doors.open(name, address)
    return servers, doors


def broker_token(port):
    form = f"grant_type=client_credentials&client_id=bench&client_secret={KEY}"
    headers = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
    status, _, body = ask(port, "POST", "/oidc/token", headers, form)
    if status != 200:
        raise Broken(f"the broker answers {status}: {body}")
    return json.loads(body)["access_token"]


def bearer(token):
    return f"Authorization: Bearer {token}"


def ways(signers, cvt):
    """Every way by name, in the order of the table."""
    forged = {name: signer.token(0)[:-8] + "AAAAAAAA" for name, signer in signers.items()}
    all_ways = {
        BASE: Way("loopback", [], [WRONG_KEY]),
        "Unix socket, uid": Way("unix", [], [WRONG_KEY]),
        "API key": Way("key", [API_KEY], []),
        "Claviger token": Way("key", [bearer(cvt)], [bearer(cvt[:-1])]),
    }
    for name, signer in signers.items():
        tokens = [signer.token(number) for number in range(1, DISTINCT_TOKENS + 1)]
        refused = [bearer(forged[name])]
        all_ways[f"JWT {name}, known"] = Way("jwt", [bearer(signer.token(0))], refused)
        all_ways[f"JWT {name}, new"] = Way("jwt", [bearer(tokens[0])], refused, tokens=tokens)
    all_ways |= {
        "TLS, API key": Way("tls", [API_KEY], []),
        "mTLS": Way("mtls", [], [], "mtls-anonymous"),
        "TLS, API key, connecting": Way("tls", [API_KEY, CLOSE], []),
        "mTLS, connecting": Way("mtls", [CLOSE], [], "mtls-anonymous"),
    }
    return all_ways


def verify(name, way, ports, target):
    """The right answer to who shows it, 401 to who does not, or Broken."""
    status, _, body = ask(ports[way.door], "GET", target, way.headers)
    if status != 200 or body != BODY:
        raise Broken(f"{name}: GET {target} answered {status}: {body[:300]!r}")
    status, _, _ = ask(ports[way.refused_at or way.door], "GET", target, way.refused)
    if status != 401:
        raise Broken(f"{name}: who does not prove it was answered {status}, not 401")


def table(seen):
    lines = [f"{'':26}{'CPU/req':>9}{'user':>8}{'system':>8}{'core 0':>8}{'p50':>9}{'spread':>8}  | {'more':>8}{'ratio':>7}",
             f"{'':26}{'µs':>9}{'µs':>8}{'µs':>8}{'%':>8}{'ms':>9}{'±%':>8}  | {'to loopback, µs':>15}"]
    for name, m in seen.items():
        lines.append(f"{name:26}{m['cpu_us']:9.1f}{m['user_us']:8.1f}{m['system_us']:8.1f}{m['busy'] * 100:8.0f}"
                     f"{m['p50_us'] / 1000:9.3f}{m['spread'] * 100:8.1f}  | {m['more_us']:8.1f}{m['ratio']:7.2f}")
    return "\n".join(lines)


def run(bench, options):
    """Verifies each way and, unless that is all that is wanted, measures them; returns what was seen, by way."""
    target = TARGETS["one"]
    credentials.certificates(bench.directory)
    signers = {name: credentials.Signer(name, bench.directory) for name in ("RS256", "ES256")}
    (bench.directory / "jwks.json").write_text(json.dumps({"keys": [signer.jwk() for signer in signers.values()]}))
    servers, doors = start_servers(bench)
    ports = doors.ports
    wait_ready(doors.start(bench), ports["loopback"], target)
    say(f"ways to identify: signing {len(signers)} times {DISTINCT_TOKENS} tokens")
    loads = {}
    for name, way in ways(signers, broker_token(ports["key"])).items():
        verify(name, way, ports, target)
        file, headers = None, way.headers
        if way.tokens:
            file, headers = bench.directory / f"tokens-{len(loads)}", []
            file.write_text("\n".join(way.tokens) + "\n")
        server = servers[way.door.partition("-")[0]]
        loads[name] = Load(server, ports[way.door], target, tuple(headers), file)
    say("answers are right: " + "; ".join(loads))
    if options.verify_only:
        return None
    seen = rounds(loads, CONNECTIONS, options.rounds, max(1, options.seconds // 2))
    for m in seen.values():
        m["more_us"] = m["cpu_us"] - seen[BASE]["cpu_us"]
        m["ratio"] = m["cpu_us"] / seen[BASE]["cpu_us"]
    for name in signers:
        if seen[f"JWT {name}, new"]["user_us"] <= seen[f"JWT {name}, known"]["user_us"]:
            raise Broken(f"JWT {name}: verifying costs nothing, so the tokens were not new")
    say(f"\nways to identify, {CONNECTIONS} connections\n{table(seen)}\n")
    return seen
