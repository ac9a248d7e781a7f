#!/usr/bin/env python3
"""Real nginx with `auth_request`, asking the real program: `run.py --claviger target/debug/claviger`.

Starts the Logto emulator and Claviger on free ports, and Debian's nginx on a Unix socket in
front of both, with the configuration of docs/authz.md. Python 3 only, no package.
"""
import argparse
import http.client
import importlib.util
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

spec = importlib.util.spec_from_file_location("clients", ROOT / "tests" / "clients" / "run.py")
clients = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clients)
Failed, check = clients.Failed, clients.check

KEY, SLOW_KEY = "cvk_nginx_0123456789abcdefghijklmnopqrstu", "cvk_slow_0123456789abcdefghijklmnopqrstuv"

CLAVIGER = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "off"

[authz]
enabled = {enabled}

[tenants.acme]
endpoint      = "{logto}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[policies.readers]
allow = ["users:read", "roles:read", {{ operation = "UpdateUser", body = ["name"] }}]

[callers.shop]
identify = {{ api_key = {{ file = "{key}" }} }}
policies = ["readers"]

[callers.slow]
identify = {{ api_key = {{ file = "{slow_key}" }} }}
policies = ["readers"]
rate     = {{ requests = 1, per = "1h" }}
"""


def documented():
    """The nginx configuration of docs/authz.md, so that the page cannot be wrong."""
    page = (ROOT / "docs" / "authz.md").read_text()
    found = re.search(r"```nginx\n(.*?)```", page, re.S)
    check(found, "docs/authz.md shows no nginx configuration")
    return found[1]


def nginx_conf(directory, listen, claviger, logto):
    server = documented().replace("listen 8080;", f"listen unix:{listen};")
    server = server.replace("http://127.0.0.1:3600", claviger).replace("https://acme.logto.app", logto)
    server = server.replace("proxy_ssl_server_name on;", "").replace("acme.logto.app", logto.removeprefix("http://"))
    temp = "\n".join(f"  {kind}_temp_path {directory}/{kind};"
                     for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"daemon off;\nmaster_process off;\npid {directory}/nginx.pid;\nerror_log stderr info;\nevents {{}}\n"
            f"http {{\n  access_log off;\n{temp}\n{server}}}\n")


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Setup:
    """One nginx with its Claviger and its Logto."""

    def __init__(self, stage, name, enabled):
        logto = stage.emulate(f"logto-{name}")
        key, slow_key = stage.secret("key", KEY), stage.secret("slow_key", SLOW_KEY)
        claviger = stage.serve(f"claviger-{name}", CLAVIGER.format(
            enabled=enabled, logto=logto, resource=clients.RESOURCE, app_id=clients.APP_ID,
            secret=stage.secret("secret", clients.APP_SECRET), key=key, slow_key=slow_key))
        directory = stage.directory / f"nginx-{name}"
        directory.mkdir()
        self.socket = directory / "nginx.sock"
        conf = directory / "nginx.conf"
        conf.write_text(nginx_conf(directory, self.socket, claviger, logto))
        binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        check(binary, "nginx is not installed: scripts/apt.sh nginx=nginx-light")
        process = stage.spawn(f"nginx-{name}", [binary, "-p", directory, "-c", conf, "-e", "stderr"])
        end = time.monotonic() + 20
        while not self.listens():
            check(process.poll() is None, f"nginx ended:\n{stage.log(f'nginx-{name}')}")
            check(time.monotonic() < end, f"nginx does not listen:\n{stage.log(f'nginx-{name}')}")
            time.sleep(0.01)

    def listens(self):
        try:
            Connection(self.socket).connect()
            return True
        except OSError:
            return False

    def ask(self, method, target, headers=None, body=None):
        connection = Connection(self.socket)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        shown = f"{answer.getheaders()}{text}"
        check("eyJ" not in shown, f"{method} {target}: a token came out: {shown}")
        return answer.status, answer, text


def allowed_requests_reach_logto_with_a_token(setup):
    for target in ("/api/users?page=1&page_size=2", "/api/users?page_size=2", "/api/roles"):
        status, _, text = setup.ask("GET", target, {"Claviger-Key": KEY})
        check(status == 200 and text.startswith("["), f"{target}: {status} {text}")
    status, _, text = setup.ask("GET", "/api/users?page_size=2", {"Authorization": f"Bearer {KEY}"})
    check(status == 200, f"the key as a bearer token: {status} {text}")


def everything_else_is_refused_before_logto(setup):
    key = {"Claviger-Key": KEY}
    for what, method, target, headers, body, wanted in (
        ("nobody", "GET", "/api/users", {}, None, 401),
        ("a wrong key", "GET", "/api/users", {"Claviger-Key": KEY[:-1] + "x"}, None, 401),
        ("not granted", "DELETE", "/api/users/u1", key, None, 403),
        ("a condition on the body", "PATCH", "/api/users/u1", key, b'{"name":"a"}', 403),
        ("what the client says it asks for", "DELETE", "/api/users/u1",
         {**key, "X-Original-URI": "/api/users", "X-Original-Method": "GET"}, None, 403),
        ("an ambiguous path", "GET", "/api/roles/../users", key, None, 400),
        ("an escaped slash", "GET", "/api/users%2fu1", key, None, 400),
        ("another spelling", "GET", "/api/USERS", key, None, 400),
        ("no such operation", "GET", "/api/nothing-of-the-kind", key, None, 404),
    ):
        status, answer, text = setup.ask(method, target, headers, body)
        check(status == wanted, f"{what}: {status} instead of {wanted}: {text}")
        if wanted == 401:
            check(answer.getheader("WWW-Authenticate"), f"{what}: no WWW-Authenticate")


def the_callers_limit_counts(setup):
    slow = {"Claviger-Key": SLOW_KEY}
    check(setup.ask("GET", "/api/roles", slow)[0] == 200, "the first one is within the limit")
    status, _, text = setup.ask("GET", "/api/roles", slow)
    check(status == 429, f"{status} instead of 429: {text}")


def nothing_passes_while_it_is_off(setup):
    status, _, text = setup.ask("GET", "/api/users", {"Claviger-Key": KEY})
    check(status in (404, 500), f"{status}: {text}")


SCENARIOS = [
    ("on", "true", [allowed_requests_reach_logto_with_a_token, everything_else_is_refused_before_logto,
                    the_callers_limit_counts]),
    ("off", "false", [nothing_passes_while_it_is_off]),
]


def main():
    parser = argparse.ArgumentParser(description="Real nginx asking the real program.")
    parser.add_argument("--claviger", type=Path, default=ROOT / "target" / "debug" / "claviger")
    options = parser.parse_args()
    if not options.claviger.exists():
        parser.error(f"{options.claviger} is missing: build it first")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="claviger-authz-") as directory:
        stage = clients.Stage(options.claviger.resolve(), directory)
        try:
            for name, enabled, scenarios in SCENARIOS:
                setup = Setup(stage, name, enabled)
                for scenario in scenarios:
                    try:
                        scenario(setup)
                        passed, verdict = passed + 1, "ok  "
                    except (Failed, OSError, http.client.HTTPException) as error:
                        failed, verdict = failed + 1, "FAIL"
                        print(error, flush=True)
                        print(f"--- log of nginx\n{stage.log(f'nginx-{name}')}")
                    print(f"{verdict} {scenario.__name__}", flush=True)
        except Failed as error:
            failed += 1
            print(f"FAIL could not start: {error}")
        finally:
            stage.close()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
