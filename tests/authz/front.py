"""What nginx and Envoy have in common here: Logto behind a recorder, Claviger to be asked, and a client.

A front is the other proxy, on a Unix socket, with the configuration that docs/authz.md shows for it.
"""
import http.client
import http.server
import importlib.util
import re
import socket
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("clients", ROOT / "tests" / "clients" / "run.py")
clients = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clients)
Failed, check = clients.Failed, clients.check

KEY, SLOW_KEY = "cvk_shop_0123456789abcdefghijklmnopqrstuv", "cvk_slow_0123456789abcdefghijklmnopqrstuv"
BOTH_KEY = "cvk_both_0123456789abcdefghijklmnopqrstuv"

CLAVIGER = """
[listen]
proxy = ["127.0.0.1:0"]
admin = "off"
allowed_hosts = ["logto.internal"]

[authz]
enabled = {enabled}

[timeouts]
deadline = "5s"

[tenants.acme]
endpoint      = "{logto}"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[tenants.globex]
endpoint      = "http://127.0.0.1:9"
resource      = "{resource}"
client_id     = "{app_id}"
client_secret = {{ file = "{secret}" }}

[policies.readers]
allow = ["users:read", "roles:read", "CreateUser", {{ operation = "UpdateUser", body = ["name"] }}]

[callers.shop]
identify = {{ api_key = {{ file = "{key}" }} }}
tenants  = ["acme"]
policies = ["readers"]

[callers.both]
identify = {{ api_key = {{ file = "{both_key}" }} }}
tenants  = ["acme", "globex"]
policies = ["readers"]

[callers.slow]
identify = {{ api_key = {{ file = "{slow_key}" }} }}
tenants  = ["acme"]
policies = ["readers"]
rate     = {{ requests = 1, per = "1h" }}
"""


def documented(language):
    """The configuration in that language of docs/authz.md, so that the page cannot be wrong."""
    found = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / "authz.md").read_text(), re.S | re.M)
    check(len(found) == 1, f"docs/authz.md shows {len(found)} configurations in {language}, wanted one")
    return found[0]


def changed(text, *pairs):
    """The text with each of these replaced; each must be in it."""
    for old, new in pairs:
        check(old in text, f"the configuration of docs/authz.md no longer has {old!r}")
        text = text.replace(old, new)
    return text


class Recorder(http.server.ThreadingHTTPServer):
    """Stands between the front and Logto: hands on every request and keeps what came."""

    daemon_threads = True

    def __init__(self, logto):
        super().__init__(("127.0.0.1", 0), Recording)
        self.logto, self.seen = logto.removeprefix("http://"), []
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def taken(self):
        """What came since the last time."""
        seen, self.seen = self.seen, []
        return seen


class Recording(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.hand_on
        raise AttributeError(name)

    def hand_on(self):
        # Not self.path, which http.server tidies up.
        method, target, _ = self.requestline.split(" ")
        fields = [(name.lower(), value) for name, value in self.headers.items()]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((method, target, fields, body))
        connection = http.client.HTTPConnection(self.server.logto, timeout=20)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in fields:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        text = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "content-length", "transfer-encoding", "connection", "keep-alive"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        connection.close()

    def log_message(self, *_):
        pass


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Front:
    """One proxy with its Claviger and its Logto. What a subclass adds: `command`, from `self.directory` and the rest."""

    def __init__(self, stage, name, enabled="true", secret=clients.APP_SECRET, logto=None):
        self.stage, self.name = stage, name
        self.logto = logto or stage.emulate(f"logto-{name}")
        self.recorder = Recorder(self.logto)
        keys = {kind: stage.secret(kind, value)
                for kind, value in (("key", KEY), ("slow_key", SLOW_KEY), ("both_key", BOTH_KEY))}
        self.claviger = stage.serve(f"claviger-{name}", CLAVIGER.format(
            enabled=enabled, logto=self.logto, resource=clients.RESOURCE, app_id=clients.APP_ID,
            secret=stage.secret("secret", secret), **keys))
        self.directory = stage.directory / name
        self.directory.mkdir()
        self.socket = self.directory / "front.sock"
        process = stage.spawn(name, self.command())
        end = time.monotonic() + 30
        while not self.listens():
            check(process.poll() is None, f"{name} ended:\n{stage.log(name)}")
            check(time.monotonic() < end, f"{name} does not listen:\n{stage.log(name)}")
            time.sleep(0.01)

    def listens(self):
        try:
            Connection(self.socket).connect()
            return True
        except OSError:
            return False

    def stop_claviger(self):
        found = [p for p in self.stage.processes if p.label == f"claviger-{self.name}"]
        check(len(found) == 1, f"{len(found)} processes are claviger-{self.name}")
        found[0].kill()
        found[0].wait()

    def ask(self, method, target, *headers, host="localhost", body=None):
        """Status, answer and text of one request; `headers` are pairs, and come as often as they are given."""
        connection = Connection(self.socket)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", host), *headers):
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        shown = f"{answer.getheaders()}{text}"
        check("eyJ" not in shown, f"{method} {target}: a token came out: {shown}")
        check(not answer.getheader("Claviger-Caller"), f"{method} {target}: a field of the decision came out: {shown}")
        return answer.status, answer, text

    def refused(self, wanted, what, method, target, *headers, **more):
        """One request that is to be refused, and not to reach Logto."""
        status, answer, text = self.ask(method, target, *headers, **more)
        came = self.recorder.taken()
        check(status == wanted, f"{what}: {status} instead of {wanted}: {text}")
        check(not came, f"{what}: it reached Logto: {came}")
        return answer, text


# --- scenarios of both ---------------------------------------------------------------------

def arrives_with_a_token_and_nothing_of_the_caller(front, what, target, *headers):
    """One request that is to be allowed; what the caller itself had to say is marked `mine`."""
    status, _, text = front.ask("GET", target, *headers)
    came = front.recorder.taken()
    check(status == 200 and text.startswith("["), f"{what}: {status} {text}")
    check(len(came) == 1 and came[0][:2] == ("GET", target), f"{what}: {came} reached Logto")
    fields = came[0][2]
    tokens = [value for name, value in fields if name == "authorization"]
    check(len(tokens) == 1 and tokens[0].startswith("Bearer eyJ"), f"{what}: Logto got {tokens}")
    check("mine" not in str(fields) and KEY not in str(fields), f"{what}: Logto got {fields}")


def allowed_requests_reach_logto_with_a_token(front):
    by_key, by_bearer = ("Claviger-Key", KEY), ("Authorization", f"Bearer {KEY}")
    for what, target, *headers in (
        ("by key", "/api/users?page=1&page_size=2", by_key),
        ("by bearer", "/api/users?page_size=2", by_bearer),
        ("no query", "/api/roles", by_key),
        ("the query as it came", "/api/users?page_size=2&search=%25a%2Fb%25&search.name=a+b%20c&&isSuspended=", by_key),
        ("an authorization of its own", "/api/roles", by_key, ("Authorization", "Bearer mine")),
        ("one that Connection names", "/api/roles", by_key, ("Authorization", "mine"), ("Connection", "keep-alive, Authorization")),
        ("cookies, a tenant", "/api/roles", by_key, ("Cookie", "mine=1"), ("Claviger-Tenant", "acme")),
    ):
        arrives_with_a_token_and_nothing_of_the_caller(front, what, target, *headers)


def a_body_goes_to_logto_alone(front):
    body = b'{"username":"made_by_the_test"}'
    status, _, text = front.ask("POST", "/api/users", ("Claviger-Key", KEY), ("Content-Type", "application/json"), body=body)
    came = front.recorder.taken()
    check(status == 200 and "made_by_the_test" in text, f"{status} {text}")
    check([(method, target, data) for method, target, _, data in came] == [("POST", "/api/users", body)], f"{came}")


def everything_else_is_refused_before_logto(front):
    key = ("Claviger-Key", KEY)
    for wanted, what, method, target, *headers in (
        (401, "nobody", "GET", "/api/users"),
        (401, "a wrong key", "GET", "/api/users", ("Claviger-Key", KEY[:-1] + "x")),
        (401, "the key twice", "GET", "/api/users", key, key),
        (403, "not granted", "DELETE", "/api/users/u1", key),
        (403, "what the client says it asks for", "DELETE", "/api/users/u1", key,
         ("X-Original-URI", "/api/users"), ("X-Original-Method", "GET")),
        (400, "an ambiguous path", "GET", "/api/roles/../users", key),
        (400, "a dot segment in disguise", "GET", "/api/roles/%2e%2E/users", key),
        (400, "an escaped slash", "GET", "/api/users%2fu1", key),
        (400, "an escaped slash, twice", "GET", "/api/users%252fu1", key),
        (400, "an empty segment", "GET", "/api//users", key),
        (400, "a needless escape", "GET", "/api/%75sers", key),
        (400, "a slash at the end", "GET", "/api/users/", key),
        (400, "another spelling", "GET", "/api/USERS", key),
        (404, "no such operation", "GET", "/api/nothing-of-the-kind", key),
    ):
        answer, _ = front.refused(wanted, what, method, target, *headers)
        if wanted == 401:
            check(answer.getheader("WWW-Authenticate"), f"{what}: no WWW-Authenticate")


def a_condition_on_the_body_is_refused(front):
    front.refused(403, "a condition that the body meets", "PATCH", "/api/users/u1", ("Claviger-Key", KEY),
                  ("Content-Type", "application/json"), body=b'{"name":"a"}')


def the_tenant_is_not_the_clients_choice(front):
    """The token of globex must not go to acme, whatever the client says."""
    for tenant in ("globex", "acme"):
        status, _, text = front.ask("GET", "/api/roles", ("Claviger-Key", BOTH_KEY), ("Claviger-Tenant", tenant))
        check(status == 200 and len(front.recorder.taken()) == 1, f"{tenant}: {status} {text}")
    front.refused(404, "a tenant in the path", "GET", "/t/globex/api/roles", ("Claviger-Key", BOTH_KEY))


def the_callers_limit_counts(front):
    slow = ("Claviger-Key", SLOW_KEY)
    check(front.ask("GET", "/api/roles", slow)[0] == 200, "the first one is within the limit")
    front.recorder.taken()
    return front.refused(429, "the second", "GET", "/api/roles", slow)


SHARED = [allowed_requests_reach_logto_with_a_token, a_body_goes_to_logto_alone,
          everything_else_is_refused_before_logto, a_condition_on_the_body_is_refused,
          the_tenant_is_not_the_clients_choice]
