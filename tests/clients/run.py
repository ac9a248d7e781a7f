#!/usr/bin/env python3
"""Real clients against the real program: `run.py --claviger target/debug/claviger [NAME…]`.

Installs the pinned clients (npm and PyPI, each said first) into target/clients, starts
the Logto emulator and Claviger on free ports, and runs every scenario below. A scenario
is one function; its first line is its name in the report. Python 3 only, no package.
"""
import argparse
import contextlib
import json
import os
import queue
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from pinned import Pinned  # noqa: E402: tests/pinned.py

HOME = HERE.parents[1] / "target" / "clients"
PINNED = Pinned(HERE, HOME, "Authlib, dlt, duckdb, openapi-python-client, openapi-spec-validator, Node.js 22",
                "@logto/api, openid-client, oidc-provider, openapi-typescript, @redocly/cli")
PYTHON = PINNED.bin / "python"

RESOURCE = "https://default.logto.app/api"
APP_ID, APP_SECRET = "m2mapp0000000000000001", "emulator-secret-0123456789abcdef"
KEY = "cvk_clients_0123456789abcdefghijklmnopqrst"
TWO_KEY = "cvk_both_tenants_0123456789abcdefghijklmno"
ODD_SECRET = "p@ss:w%rd+/= &?#x~"  # RFC 6749 allows printable ASCII only, and all of it
ODD_KEY = "cvk_p@ss:w%rd+/=&?#x~%41\"end"  # with HTTP Basic some libraries form-encode it, as RFC 6749 has it, and some do not
ROWS = 57
CLEAN_ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("CLAVIGER_", "LOGTO_"))
                     and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}


class Failed(Exception):
    """A scenario did not hold; the message says what was wanted and what came."""


def check(condition, message):
    if not condition:
        raise Failed(message)


# --- the programs under test -----------------------------------------------------------

class Stage:
    """Everything one run starts, in one directory; `close` ends it all."""

    def __init__(self, claviger, directory):
        self.claviger, self.directory = claviger, Path(directory)
        self.processes = []

    def spawn(self, name, argv, environment=None, stdout=None):
        log = (self.directory / f"{name}.log").open("wb")
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log,
                                   cwd=self.directory, env={**CLEAN_ENVIRONMENT, **(environment or {})})
        process.label = name
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")[-3000:]

    def announced(self, name, argv, environment=None):
        """Starts a program that says where it listens, as the first line of JSON on its standard output."""
        process = self.spawn(name, argv, environment, subprocess.PIPE)
        lines = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(b"")
        threading.Thread(target=read, daemon=True).start()
        end = time.monotonic() + 60
        while line := self.next_line(name, lines, end):
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and "listening" in said:
                    return f"http://{said['listening']}"
        raise Failed(f"{name} ended without saying where it listens:\n{self.log(name)}")

    def next_line(self, name, lines, end):
        try:
            return lines.get(timeout=max(0, end - time.monotonic()))
        except queue.Empty:
            raise Failed(f"{name} did not say where it listens within a minute:\n{self.log(name)}") from None

    def emulate(self, name):
        return self.announced(name, [self.claviger, "emulate", "--listen", "127.0.0.1:0",
                                     "--client-id", APP_ID, "--client-secret", APP_SECRET])

    def serve(self, name, config, environment=None):
        """Starts Claviger and waits for its ready file; returns its base URL."""
        path, ready = self.directory / f"{name}.toml", self.directory / f"{name}.ready"
        path.write_text(config)
        process = self.spawn(name, [self.claviger, "serve", "--config", path, "--ready-file", ready], environment)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            check(process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)}")
            with contextlib.suppress(OSError, ValueError, LookupError):
                return f"http://{json.loads(ready.read_text())['proxy'][0]}"
            time.sleep(0.01)
        raise Failed(f"{name} wrote no ready file within a minute:\n{self.log(name)}")

    def secret(self, name, value):
        path = self.directory / name
        path.write_text(value, encoding="utf-8")
        path.chmod(0o600)
        return path

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


CONFIG = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[tenants.acme]
endpoint      = "{acme}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[tenants.globex]
endpoint      = "{globex}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[policies.people]
allow = ["users:*"]

[callers.support]
identify = {{ api_key = {{ file = "{key}" }} }}
tenants  = ["acme"]
policies = ["people"]

[callers.both]
identify = {{ api_key = {{ file = "{two_key}" }} }}
tenants  = ["acme", "globex"]
policies = ["people"]
"""

FOREIGN = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[tenants.foreign]
endpoint      = "{endpoint}"
resource      = "{resource}"
client_id     = "{client_id}"
client_secret = {{ file = "{secret}" }}

[policies.read]
allow = ["users:read"]

[callers.support]
identify = {{ api_key = {{ file = "{key}" }} }}
tenants  = ["foreign"]
policies = ["read"]
"""

SHORT_LIVED = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[broker]
ttl = "5s"

[tenants.acme]
endpoint      = "{endpoint}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[policies.people]
allow = ["users:read"]

[callers.support]
identify = {{ api_key = [{{ file = "{key}" }}, {{ file = "{odd_key}" }}] }}
policies = ["people"]
"""


CLOUD = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[cloud.default]
endpoint  = "{endpoint}"
token     = {{ file = "{token}" }}
indicator = "claviger"

[vault]
store = {{ file = "{vault}" }}
key   = {{ file = "{key}" }}

[policies.onboarding]
allow = ["cloud:me:read", "cloud:CreateTenant", "applications:read"]

[callers.onboarding]
identify = {{ loopback = true }}
tenants  = ["*"]
cloud    = "default"
policies = ["onboarding"]
"""


class World:
    """Two emulated tenants and Claviger in front of both."""

    def __init__(self, stage):
        self.stage = stage
        self.acme, self.globex = stage.emulate("acme"), stage.emulate("globex")
        self.proxy = stage.serve("claviger", CONFIG.format(
            acme=self.acme, globex=self.globex, resource=RESOURCE, app_id=APP_ID,
            secret=stage.secret("app-secret", APP_SECRET), key=stage.secret("key", KEY),
            two_key=stage.secret("two-key", TWO_KEY)))


# --- what scenarios are made of -----------------------------------------------------------

def client(stage, argv, base, client_id, client_secret, **more):
    """Runs one client program to its end; returns exit code, standard output, everything it said."""
    work = tempfile.mkdtemp(dir=stage.directory)
    environment = {**CLEAN_ENVIRONMENT, "BASE_URL": base, "CLIENT_ID": client_id, "CLIENT_SECRET": client_secret,
                   "RESOURCE": RESOURCE, "WORK": work, "HOME": work, "DLT_DATA_DIR": work, "DLT_PROJECT_DIR": work,
                   "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__REQUEST_MAX_ATTEMPTS": "1", **more}
    try:
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=work, env=environment, timeout=180)
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[-1]} did not end within three minutes") from None
    return done.returncode, done.stdout, done.stdout + done.stderr


def sdk(stage, base, client_id, client_secret, **more):
    code, _, said = client(stage, [PINNED.node(), HOME / "logto_api.mjs"], base, client_id, client_secret, **more)
    check(code == 0, f"logto_api.mjs at {base} ended with {code}:\n{said[-3000:]}")


def pipeline(stage, base, client_id, client_secret):
    """The dlt pipeline; returns its counts (None where it failed) and what it said."""
    code, out, said = client(stage, [PYTHON, HERE / "rows.py"], base, client_id, client_secret)
    return (json.loads(out.splitlines()[-1]) if code == 0 else None), said[-3000:]


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, key=None, body=None):
    """Status, headers and JSON (or text) of one request."""
    request = urllib.request.Request(url, method=method, data=json.dumps(body).encode() if body is not None else None)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with DIRECT.open(request, timeout=60) as response:
            status, headers, data = response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        status, headers, data = error.code, error.headers, error.read()
    try:
        return status, headers, json.loads(data)
    except ValueError:
        return status, headers, data.decode(errors="replace")


# --- scenarios ------------------------------------------------------------------------------

def sdk_control(world):
    """@logto/api straight at the emulator, as a control"""
    sdk(world.stage, world.acme, APP_ID, APP_SECRET)


def sdk_by_base_url(world):
    """@logto/api through Claviger, by base URL alone"""
    sdk(world.stage, world.proxy, "support", KEY, DENIED="yes")


def sdk_by_tenant_path(world):
    """@logto/api through Claviger at /t/acme"""
    sdk(world.stage, f"{world.proxy}/t/acme", "support", KEY, DENIED="yes")


def sdk_two_tenants(world):
    """@logto/api at /t/globex reaches the other tenant, and only that"""
    sdk(world.stage, f"{world.proxy}/t/globex", "both", TWO_KEY, DENIED="yes")
    name = "only_at_globex"
    status, _, made = ask("POST", f"{world.proxy}/t/globex/api/users", TWO_KEY, {"username": name})
    check(status == 200, f"creating a user at globex was answered {status}: {made}")
    for tenant, wanted in (("globex", [name]), ("acme", [])):
        status, _, found = ask("GET", f"{world.proxy}/t/{tenant}/api/users?search=%25{name}%25", TWO_KEY)
        check(status == 200 and [u["username"] for u in found] == wanted,
              f"searching {name} at {tenant} was answered {status} {found}, wanted {wanted}")


def sdk_wrong_key(world):
    """@logto/api with a wrong key is refused by the token broker"""
    code, _, said = client(world.stage, [PINNED.node(), HOME / "logto_api.mjs"], world.proxy, "support", f"{KEY}x")
    check(code != 0 and "Failed to fetch access token: 40" in said, f"wanted a refused token, got {code}:\n{said[-2000:]}")


def nothing_leaks(world):
    """what the tenant received holds no key of a caller, one grant, and nothing surprising"""
    status, _, body = ask("DELETE", f"{world.globex}/__emulator/recorded")
    check(status == 204, f"forgetting the record was answered {status}: {body}")
    sdk(world.stage, f"{world.proxy}/t/globex", "both", TWO_KEY, DENIED="yes")
    status, _, seen = ask("GET", f"{world.globex}/__emulator/recorded")
    check(status == 200, f"the record was answered {status}: {seen}")
    reached = [r for r in seen["requests"] if r["target"].startswith("/api/users")]
    check(len(reached) >= 15, f"only {len(reached)} requests of the client reached the tenant")
    strange = [r for r in seen["requests"] if r not in reached and r["target"] != "/oidc/token"]
    check(not strange, f"this reached the tenant too: {strange}")
    check(TWO_KEY not in json.dumps(seen), "the caller's key reached the tenant")
    check(seen["surprises"] == [], f"surprises: {seen['surprises']}")
    check(seen["grants"] <= 1, f"{seen['grants']} grants, wanted one at most")


def cloud_tenant(world):
    """a program that creates a tenant as Logto documents it, with no secret of its own"""
    stage, token = world.stage, "pat_clients_0123456789abcdef"
    endpoint = stage.announced("cloud", [stage.claviger, "emulate", "--listen", "127.0.0.1:0", "--cloud-token", token])
    proxy = stage.serve("cloud-claviger", CLOUD.format(
        endpoint=endpoint, token=stage.secret("pat", token), vault=stage.directory / "vault.redb",
        key=stage.secret("vault-key", "0123456789abcdef" * 4)))
    code, _, said = client(stage, [PINNED.node(), HOME / "cloud_tenant.mjs"], f"{proxy}/cloud", "", "")
    check(code == 0, f"cloud_tenant.mjs at {proxy}/cloud ended with {code}:\n{said[-3000:]}")
    _, _, seen = ask("GET", f"{endpoint}/__emulator/recorded")
    check(seen["surprises"] == [], f"surprises: {seen['surprises']}")


def fill_rows(world):
    """Sees to it that acme has at least ROWS users; returns how many it has."""
    status, headers, found = ask("GET", f"{world.proxy}/api/users?page=1&page_size=1", KEY)
    check(status == 200, f"counting users was answered {status}: {found}")
    for n in range(int(headers["Total-Number"]), ROWS):
        status, _, made = ask("POST", f"{world.proxy}/api/users", KEY, {"username": f"row_{n}", "name": f"Row {n}"})
        check(status == 200, f"creating a user was answered {status}: {made}")
    _, headers, _ = ask("GET", f"{world.proxy}/api/users?page=1&page_size=1", KEY)
    check(int(headers["Total-Number"]) >= ROWS, f"acme has {headers['Total-Number']} users, wanted {ROWS}")
    return int(headers["Total-Number"])


def dlt_direct(world):
    """dlt straight at the emulator loses rows: Logto's Link headers lack /api"""
    rows = fill_rows(world)
    seen, said = pipeline(world.stage, world.acme, APP_ID, APP_SECRET)
    check(seen is None or seen["distinct"] < rows,
          f"wanted a failure or fewer than {rows} rows, so that the next scenarios prove something; got {seen}")
    check(seen is not None or "Expecting value" in said or "404" in said,
          f"wanted it to fail on the page behind the wrong link, not so:\n{said}")


def dlt_by_base_url(world):
    """dlt through Claviger loads every row into DuckDB"""
    rows = fill_rows(world)
    seen, said = pipeline(world.stage, world.proxy, "support", KEY)
    check(seen == {"rows": rows, "distinct": rows}, f"wanted {rows} rows, got {seen}:\n{said}")


def dlt_by_tenant_path(world):
    """dlt through Claviger at /t/acme loads every row"""
    rows = fill_rows(world)
    seen, said = pipeline(world.stage, f"{world.proxy}/t/acme", "support", KEY)
    check(seen == {"rows": rows, "distinct": rows}, f"wanted {rows} rows, got {seen}:\n{said}")


def oauth_client(world, name, argv):
    """One OAuth client library, by HTTP Basic and by form, with a plain key and an odd one, with and without a tenant."""
    stage = world.stage
    proxy = stage.serve(name, SHORT_LIVED.format(
        endpoint=world.acme, resource=RESOURCE, app_id=APP_ID, secret=stage.secret("app-secret", APP_SECRET),
        key=stage.secret("key", KEY), odd_key=stage.secret("odd-key", ODD_KEY)))
    ways = [("client_secret_basic", proxy, KEY), ("client_secret_basic", f"{proxy}/t/acme", ODD_KEY),
            ("client_secret_post", f"{proxy}/t/acme", KEY), ("client_secret_post", proxy, ODD_KEY)]
    with ThreadPoolExecutor(len(ways)) as pool:
        ended = list(pool.map(lambda way: client(stage, argv, way[1], "support", way[2], METHOD=way[0]), ways))
    for (method, base, key), (code, _, said) in zip(ways, ended):
        check(code == 0, f"{name} with {method} at {base}, {'plain' if key == KEY else 'odd'} key, "
                         f"ended with {code}:\n{said[-3000:]}")


def oauth_authlib(world):
    """Authlib: Basic and form, renewal of its own, invalid_client, a readable 403"""
    oauth_client(world, "authlib", [PYTHON, HERE / "oauth_session.py"])


def oauth_openid_client(world):
    """npm openid-client: Basic and form, renewal, invalid_client, a readable 403"""
    oauth_client(world, "openid-client", [PINNED.node(), HOME / "openid_client.mjs"])


def oauth_documented(world):
    """the two programs that docs/callers.md shows for OAuth clients do what it says"""
    page = (HERE.parents[1] / "docs" / "callers.md").read_text()
    users = f"{world.proxy}/api/users"
    for language, name, argv, begin, end in (
        ("python", "example.py", [PYTHON], f"key = {KEY!r}\n", f"print(len(logto.get({users!r}).json()))\n"),
        ("js", "example.mjs", [PINNED.node()], f"const key = {KEY!r};\n",
         f"const answer = await oauth.fetchProtectedResource(config, access_token, new URL({users!r}), 'GET');\n"
         "console.log((await answer.json()).length);\n"),
    ):
        found = re.findall(rf"^```{language}\n(.*?)^```", page, re.S | re.M)
        check(len(found) == 1, f"docs/callers.md shows {len(found)} programs in {language}, wanted one")
        for shown in ("http://localhost:3600", "billing"):
            check(shown in found[0], f"docs/callers.md no longer says {shown} in {language}")
        path = HOME / name  # beside node_modules
        path.write_text(begin + found[0].replace("http://localhost:3600", world.proxy).replace("billing", "support") + end)
        code, out, said = client(world.stage, [*argv, path], world.proxy, "support", KEY)
        check(code == 0 and int(out) > 0, f"the program in {language} ended with {code}:\n{said[-2000:]}")


def foreign(world, name, secret):
    """oidc-provider with its API, and Claviger in front; returns both base URLs."""
    stage = world.stage
    issuer = stage.announced(f"{name}-issuer", [PINNED.node(), HOME / "issuer.mjs"],
                             {"CLIENT_ID": "app:one", "CLIENT_SECRET": ODD_SECRET, "RESOURCE": "https://api.example/v1"})
    proxy = stage.serve(name, FOREIGN.format(
        endpoint=issuer, resource="https://api.example/v1", client_id="app:one",
        secret=stage.secret(f"{name}-secret", secret), key=stage.secret(f"{name}-key", KEY)))
    return issuer, proxy


def issuer_foreign(world):
    """npm oidc-provider issues to Claviger with a secret that needs form-encoding; one grant for all"""
    issuer, proxy = foreign(world, "foreign", ODD_SECRET)
    with ThreadPoolExecutor(20) as pool:
        # Each of its own, since identical ones under way are sent once.
        answers = list(pool.map(lambda n: ask("GET", f"{proxy}/api/users?search={n}", KEY), range(60)))
    wrong = [(status, body) for status, _, body in answers if status != 200 or body[0]["id"] != "u1"]
    check(not wrong, f"{len(wrong)} of 60 requests failed, the first: {wrong[:1]}")
    _, _, counts = ask("GET", f"{issuer}/counts")
    check(counts == {"grants": 1, "requests": 60}, f"wanted one grant for 60 requests, got {counts}")


def issuer_rejects(world):
    """a secret that oidc-provider rejects is Claviger's fault, never the caller's"""
    issuer, proxy = foreign(world, "rejected", "not-the-secret")
    status, headers, body = ask("GET", f"{proxy}/api/users", KEY)
    check(status == 502, f"wanted 502, got {status}: {body}")
    check(body["code"] == "claviger.credential_rejected", f"wanted claviger.credential_rejected, got {body}")
    check("not-the-secret" not in json.dumps(body) + str(headers), "the secret is in the answer")
    check("not-the-secret" not in world.stage.log("rejected"), "the secret is in the log")
    _, _, counts = ask("GET", f"{issuer}/counts")
    check(counts["requests"] == 0, f"the API was called without a token: {counts}")


# --- the OpenAPI documents that callers read --------------------------------------------------

OPENAPI = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "off"

{tenants}
"""

OPENAPI_TENANT = """
[tenants.{name}]
endpoint      = "{endpoint}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}
"""

# One operation; tags; everything, what is newer than the catalog included; conditions of each kind.
CUTS = {
    "one": '["ListUsers"]',
    "tags": '["users:read", "roles:*", "hooks:read"]',
    "everything": '["*", "GET /api/**", "POST /api/**", "PUT /api/**", "PATCH /api/**", "DELETE /api/**"]',
    "conditions": """[
        { operation = "ListUsers", query = { page_size = { required = true, max = 50 }, "*" = "forbidden" } },
        { operation = "ListApplications", query = { types = { one_of = ["SPA"] } } },
        { operation = "UpdateUser", body = ["name", "customData"] },
        { operation = "GET /api/users/u1", query = { includePasswordHash = "forbidden" } },
        "GET /api/users/u2", "ListRoles", { operation = "GET /api/roles", query = { page = "forbidden" } }, "GetRole"]""",
}


def key_of(name):
    return f"cvk_{name}_0123456789abcdefghijklmnopqrstuv"


def served(document):
    """A server that answers every GET with these bytes; returns its base URL."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_):
            pass
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def cuts(world, name, endpoint, wanted):
    """The document of each grant, by its name, once it is made of what is wanted; and the proxy's base URL."""
    stage = world.stage
    tenants = OPENAPI_TENANT.format(name="acme", endpoint=endpoint, resource=RESOURCE, app_id=APP_ID,
                                    secret=stage.secret("app-secret", APP_SECRET))
    for grant, allow in CUTS.items():
        tenants += f"[policies.{grant}]\nallow = {allow}\n[callers.{grant}]\npolicies = ['{grant}']\n"
        tenants += f"identify = {{ api_key = {{ file = '{stage.secret(f'{grant}-key', key_of(grant))}' }} }}\n"
    proxy = stage.serve(name, OPENAPI.format(tenants=tenants))
    found = {}
    for grant in CUTS:
        end = time.monotonic() + 60
        while True:
            status, _, document = ask("GET", f"{proxy}/t/acme/api/swagger.json", key_of(grant))
            check(status == 200, f"{name}, {grant}: the document was answered {status}: {document}")
            if document["info"]["x-claviger-source"] == wanted:
                break
            check(time.monotonic() < end, f"{name}, {grant}: still the document of {document['info']}")
            time.sleep(0.05)
        check(document["servers"][0]["url"] == f"{proxy}/t/acme", f"its server is {document['servers']}")
        found[grant] = document
    return found, proxy


def operations(document):
    return sorted(operation["operationId"] for item in document["paths"].values()
                  for method, operation in item.items() if method in ("get", "post", "put", "patch", "delete"))


def accepted(world, name, documents):
    """Two generators, a linter and a validator take every document; the generators leave no operation out."""
    work = Path(tempfile.mkdtemp(dir=world.stage.directory))
    quiet = {**CLEAN_ENVIRONMENT, "HOME": str(work), "REDOCLY_TELEMETRY": "off",
             "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
    (work / "generator.yml").write_text("post_hooks: []\n")  # they would only tidy the text
    modules = HOME / "node_modules"

    def run(what, argv):
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=work, env=quiet, timeout=300)
        said = (done.stdout + done.stderr)[-3000:]
        check(done.returncode == 0, f"{name}: {what} ended with {done.returncode}:\n{said}")
        return said

    def one(grant):
        path = work / f"{grant}.json"
        path.write_text(json.dumps(documents[grant], ensure_ascii=False), encoding="utf-8")
        ids = operations(documents[grant])
        run(f"openapi-typescript on {grant}",
            [PINNED.node(), modules / "openapi-typescript/bin/cli.js", path, "-o", work / f"{grant}.ts"])
        types = (work / f"{grant}.ts").read_text()
        for operation in ids:
            check(re.search(rf"\b{operation}\b", types), f"{name}: openapi-typescript left {operation} of {grant} out")
        run(f"redocly lint on {grant}",
            [PINNED.node(), modules / "@redocly/cli/bin/cli.js", "lint", "--extends=recommended", path])
        run(f"openapi-spec-validator on {grant}", [HOME / "venv/bin/openapi-spec-validator", path])
        said = run(f"openapi-python-client on {grant}",
                   [HOME / "venv/bin/openapi-python-client", "generate", "--path", path, "--output-path", work / grant,
                    "--meta", "none", "--config", work / "generator.yml"])
        check("warning" not in said.lower(), f"{name}: openapi-python-client on {grant}:\n{said}")
        made = [it for it in (work / grant / "api").glob("*/*.py") if it.name != "__init__.py"]
        check(len(made) == len(ids), f"{name}: openapi-python-client made {len(made)} of {len(ids)} operations of {grant}")
        run(f"compiling the client of {grant}", [PYTHON, "-m", "compileall", "-q", work / grant])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, documents))
    return work


def openapi_of_catalog(world):
    """generators and a linter take what callers read while Logto's document has not come"""
    with socket.socket() as closed:  # nobody listens there
        closed.bind(("127.0.0.1", 0))
        documents, _ = cuts(world, "catalog", f"http://127.0.0.1:{closed.getsockname()[1]}", "catalog")
    check(operations(documents["one"]) == ["ListUsers"], f"{operations(documents['one'])}")
    check(len(operations(documents["everything"])) > 150, "everything is more than that")
    accepted(world, "catalog", documents)


def openapi_of_emulator(world):
    """generators and a linter take every cut of the emulator's document, and a generated client works"""
    documents, proxy = cuts(world, "emulated", world.acme, "logto")
    wanted = ["GetRole", "GetUser", "ListApplications", "ListRoles", "ListUsers", "UpdateUser"]
    check(operations(documents["conditions"]) == wanted, f"{operations(documents['conditions'])}")
    work = accepted(world, "emulated", documents)
    program = work / "ask.py"
    program.write_text("import os\n"
                       "from tags import AuthenticatedClient\n"
                       "from tags.api.users import list_users\n"
                       "client = AuthenticatedClient(base_url=os.environ['BASE_URL'], token=os.environ['CLIENT_SECRET'])\n"
                       "answer = list_users.sync_detailed(client=client, page=1, page_size=3)\n"
                       "assert answer.status_code == 200, answer\n")
    server = documents["tags"]["servers"][0]["url"]
    code, _, said = client(world.stage, [PYTHON, program], server, "tags", key_of("tags"), PYTHONPATH=str(work))
    check(code == 0, f"the generated client ended with {code}:\n{said[-3000:]}")


def openapi_of_logto(world):
    """generators and a linter take every cut of the document that a real Logto serves"""
    recorded = os.environ.get("TEST_CLAVIGER_OPENAPI")
    if not recorded:
        say("left out: TEST_CLAVIGER_OPENAPI names no document of a real Logto")
        return
    documents, _ = cuts(world, "recorded", served(Path(recorded).read_bytes()), "logto")
    everything = operations(documents["everything"])
    check(len(everything) > 150, f"only {len(everything)} operations in everything")
    text = json.dumps(documents["one"])
    check("OAuth2" not in text and "DeleteUser" not in text, "the cut of one operation has more than that")
    accepted(world, "recorded", documents)


SCENARIOS = [sdk_control, sdk_by_base_url, sdk_by_tenant_path, sdk_two_tenants, sdk_wrong_key, nothing_leaks, cloud_tenant,
             dlt_direct, dlt_by_base_url, dlt_by_tenant_path,
             oauth_authlib, oauth_openid_client, oauth_documented,
             issuer_foreign, issuer_rejects,
             openapi_of_catalog, openapi_of_emulator, openapi_of_logto]


# --- report -----------------------------------------------------------------------------------

def say(text):
    print(f"== {text}", flush=True)


def main():
    names = [scenario.__name__ for scenario in SCENARIOS]
    p = argparse.ArgumentParser(description="Real clients against the real program.")
    p.add_argument("--claviger", type=Path, default=HERE.parents[1] / "target" / "debug" / "claviger")
    p.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}")
    options = p.parse_args()
    if unknown := set(options.names) - set(names):
        p.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if not options.claviger.exists():
        p.error(f"{options.claviger} is missing: build it first")
    PINNED.install()
    failed = passed = 0
    with tempfile.TemporaryDirectory(prefix="claviger-clients-") as directory:
        stage = Stage(options.claviger.resolve(), directory)
        try:
            world = World(stage)
            for scenario in SCENARIOS:
                if options.names and scenario.__name__ not in options.names:
                    continue
                started = time.monotonic()
                try:
                    scenario(world)
                    passed, verdict = passed + 1, "ok  "
                except (Failed, OSError, LookupError, TypeError) as error:
                    failed, verdict = failed + 1, "FAIL"
                    print(f"{error!r}" if not isinstance(error, Failed) else error, flush=True)
                print(f"{verdict} {scenario.__name__} ({scenario.__doc__}) {time.monotonic() - started:.1f} s", flush=True)
            if failed:
                print(f"--- log of claviger\n{stage.log('claviger')}")
        except Failed as error:
            failed += 1
            print(f"FAIL could not start: {error}")
        finally:
            stage.close()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
