#!/usr/bin/env python3
"""The deployment files, tested without a container engine: `run.py [NAME…]`.

The image's root file system is built by the script that the Dockerfile runs, laid out
as its final stage says, and started under bubblewrap as the image's user: read-only
root, no capability, no network but loopback. The Kubernetes manifests are validated,
and their configuration runs with the mounts, arguments and probes that they name.

Not covered: that `docker build` itself works (the base image is not to be had here),
file ownership as a kubelet sets it up, and NetworkPolicy enforcement.
"""
import argparse
import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEPLOY = ROOT / "deploy"
HOME = ROOT / "target" / "deploy"
PYTHON = HOME / "venv" / "bin" / "python"
# The API server's name in most clusters, and a token that a kubelet would write for a pod.
API_SERVER = "kubernetes.default.svc.cluster.local"
TOKEN = "the-token-of-the-pod"


class Failed(Exception):
    """A test did not hold; the message says what was wanted and what came."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def say(text):
    print(f"== {text}", flush=True)


# --- before the tests: what needs the network and the compiler ---------------------

def install():
    """kubernetes-validate into target/deploy/venv."""
    pins = HERE / "requirements.txt"
    state = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = HOME / "installed"
    if stamp.exists() and stamp.read_text() == state:
        return
    say("installing from PyPI into target/deploy: kubernetes-validate (tests/deploy/requirements.txt)")
    venv.create(HOME / "venv", with_pip=True, clear=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", pins],
                   check=True)
    stamp.write_text(state)


def context():
    """A copy of what .dockerignore lets into the image build, so that a file it forgets is missed here too."""
    home = HOME / "context"
    shutil.rmtree(home, ignore_errors=True)
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    if patterns[:1] != ["*"] or any(not line.startswith("!") for line in patterns[1:]):
        sys.exit("deploy: .dockerignore is no longer `*` and exceptions; teach tests/deploy/run.py its new form")
    for pattern in patterns[1:]:
        for found in ROOT.glob(pattern[1:]):
            into = home / found.relative_to(ROOT)
            into.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, into)
            else:
                shutil.copy2(found, into)
    return home


def build(out):
    """The root file system, by the script that the Dockerfile runs, from the files that it is given."""
    musl = f"{os.uname().machine}-unknown-linux-musl"
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, text=True, capture_output=True, check=True)
    if not Path(sysroot.stdout.strip(), "lib/rustlib", musl, "lib").is_dir():
        say(f"installing the Rust target {musl} with rustup")
        if not shutil.which("rustup") or subprocess.run(["rustup", "target", "add", musl], cwd=ROOT).returncode:
            os.environ["CLAVIGER_TARGET"] = f"{os.uname().machine}-unknown-linux-gnu"
            say(f"{musl} is not to be had: this run tests a binary linked statically against glibc, not the image's")
    profdata = Path(sysroot.stdout.strip(), "lib/rustlib", f"{os.uname().machine}-unknown-linux-gnu", "bin/llvm-profdata")
    if not profdata.exists():
        say("installing llvm-tools with rustup")
        if not shutil.which("rustup") or subprocess.run(["rustup", "component", "add", "llvm-tools"], cwd=ROOT).returncode:
            os.environ["CLAVIGER_WITHOUT_PROFILE"] = "1"
            say("llvm-tools are not to be had: this run tests a binary that no profile guides, not the image's")
    say("building the static binary (release)")
    done = subprocess.run([context() / "deploy" / "rootfs.sh", out], env={**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")})
    if done.returncode:
        sys.exit("deploy: deploy/rootfs.sh failed")


# --- a container, as far as one can be had without privileges ---------------------------

class Container:
    """`root` read-only at /, mounts on top, uid 65532, no capability, the network of this process."""

    def __init__(self, root, argv, mounts, directory, user="65532:65532"):
        uid, _, gid = user.partition(":")
        self.log = Path(tempfile.mkstemp(dir=directory, suffix=".log")[1])
        layout = []
        for entry in sorted(Path(root).iterdir()):
            # Empty in the image, and a kubelet mounts into it.
            if entry.name != "etc":
                layout += ["--ro-bind", entry, f"/{entry.name}"]
        for inside, outside in mounts.items():
            layout += ["--ro-bind", outside, inside]
        self.process = subprocess.Popen(
            [str(a) for a in ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                              "--uid", uid, "--gid", gid or uid, "--cap-drop", "ALL", "--clearenv", "--new-session",
                              "--die-with-parent", "--as-pid-1", "--tmpfs", "/", *layout, "--proc", "/proc",
                              "--dev", "/dev", "--remount-ro", "/", "--chdir", "/", *argv]],
            stdin=subprocess.DEVNULL, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)

    def said(self):
        return self.log.read_text(errors="replace")[-3000:]

    def pid(self):
        """The program's process id out here; bwrap is its parent."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        check(len(children) == 1, f"bwrap has {len(children)} children, not one:\n{self.said()}")
        return int(children[0])

    def ends(self, seconds):
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"still running after {seconds} s:\n{self.said()}") from None

    def stop(self, seconds=20):
        os.kill(self.pid(), signal.SIGTERM)
        return self.ends(seconds)

    def kill(self):
        if self.process.poll() is None:
            with contextlib.suppress(Failed, OSError):
                os.kill(self.pid(), signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def status_of(port, path, trusting=None):
    """The status of a GET; over TLS if a certificate to trust is given."""
    if trusting:
        context = ssl.create_default_context(cafile=trusting)
        connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def answer_of(port, path, trusting, token):
    """Status and code of a GET with a bearer token, over TLS."""
    context = ssl.create_default_context(cafile=trusting)
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("code")
    finally:
        connection.close()


def wait_for(container, port, path, seconds=20):
    """Until GET answers 200; the container must not end before."""
    end, last = time.monotonic() + seconds, "nothing"
    while time.monotonic() < end:
        check(container.process.poll() is None, f"it ended with {container.process.returncode}:\n{container.said()}")
        try:
            last = status_of(port, path)
            if last == 200:
                return
        except OSError as error:
            last = error
        time.sleep(0.02)
    raise Failed(f"{path} answered {last} for {seconds} s:\n{container.said()}")


# --- reading the files -------------------------------------------------------------------

def final_stage():
    """The instructions of the Dockerfile's last stage, as (word, rest)."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    stage = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "FROM":
            stage = []
        stage.append((word, rest.strip()))
    return stage


def documents():
    import yaml
    found = []
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found.append((path.name, document))
    check(found, "no manifest found")
    return found


def manifests():
    """The manifests of pods; the Secrets of each are in a file beside it."""
    return sorted({name for name, document in documents() if document["kind"] == "Deployment"})


def belonging_to(file):
    """What a manifest and the file of its Secrets hold."""
    return [d for name, d in documents() if name in (file, file.replace(".yaml", "-secrets.yaml"))]


def claviger_in(file):
    """The pod spec of a manifest and Claviger's container in it."""
    for name, document in documents():
        if name == file and document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            for container in pod.get("initContainers", []) + pod["containers"]:
                if container["name"] == "claviger":
                    return pod, container
    raise Failed(f"{file} has no claviger container")


def mounts_of(file, directory):
    """What the kubelet would mount into Claviger's container: its ConfigMaps and Secrets as directories."""
    pod, container = claviger_in(file)
    data = {(d["kind"], d["metadata"]["name"]): d.get("data") or d.get("stringData") or {}
            for d in belonging_to(file) if d["kind"] in ("ConfigMap", "Secret")}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        home = Path(tempfile.mkdtemp(dir=directory))
        home.chmod(0o755)
        mounts[mount["mountPath"]] = home
        if "projected" in volume:
            project(volume["projected"]["sources"], home)
            continue
        key = (("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume
               else ("Secret", volume["secret"]["secretName"]))
        for name, text in data.get(key, {}).items():
            (home / name).write_text(filled_in(text))
        if "tls.crt" in data.get(key, {}):
            certify(home)
    return mounts


def filled_in(text):
    """What an operator writes in the place of the placeholders, which Claviger refuses, as it does a secret that is the id."""
    text = text.replace("replace-me-with-64-random-hexadecimal-digits", 32 * "7e")
    return text.replace('"replace-me"', '"filled-in-id"').replace("replace-me", "filled-in")


def project(sources, home):
    """A projected volume: the pod's token for the API server, and the cluster's authority."""
    for source in sources:
        if "serviceAccountToken" in source:
            (home / source["serviceAccountToken"]["path"]).write_text(TOKEN)
            continue
        check(source["configMap"]["name"] == "kube-root-ca.crt", f"what no cluster has: {source}")
        pair = HOME / "apiserver"
        if not (pair / "tls.crt").exists():
            pair.mkdir(parents=True, exist_ok=True)
            certify(pair, API_SERVER)
        for item in source["configMap"]["items"]:
            check(item["key"] == "ca.crt", f"kube-root-ca.crt has no {item['key']}")
            shutil.copy(pair / "tls.crt", home / item["path"])


def certify(directory, name="localhost"):
    """What cert-manager would write in the place of the manifest's placeholders."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=claviger", "-addext", f"subjectAltName=DNS:{name}",
                    "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", directory / "tls.key", "-out", directory / "tls.crt"], check=True, capture_output=True)
    (directory / "tls.key").chmod(0o644)


class ApiServer:
    """What a gateway asks an API server for: its keys, which it gives to the pod's token alone."""

    def __init__(self, directory):
        self.key, self.wanted = Path(directory) / "signing.pem", f"Bearer {TOKEN}"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        done = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        modulus = encoded(bytes.fromhex(done.stdout.strip().partition("=")[2]))
        keys = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": modulus, "e": "AQAB"}]}
        own = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                right = self.headers["Authorization"] == own.wanted and self.path == "/openid/v1/jwks"
                body = json.dumps(keys if right else {"kind": "Status", "code": 401}).encode()
                self.send_response(200 if right else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 6443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = HOME / "apiserver"
        context.load_cert_chain(pair / "tls.crt", pair / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, account, audience="claviger"):
        """A token of a ServiceAccount, as TokenRequest gives it."""
        namespace, name = account.split("/")
        now = int(time.time())
        claims = {"iss": f"https://{API_SERVER}", "aud": [audience], "iat": now, "nbf": now, "exp": now + 600,
                  "sub": f"system:serviceaccount:{namespace}:{name}",
                  "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": "1"}}}
        text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "one"}, claims))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True)
        return f"{text}.{encoded(done.stdout)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def in_cluster(mounts, directory):
    """`mounts` where the API server's name leads to the one above, behind its Service's port."""
    hosts = Path(directory) / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {API_SERVER}\n")
    file = mounts["/etc/claviger"] / "claviger.toml"
    text = file.read_text()
    check(f'"https://{API_SERVER}/openid/' in text, "the keys are not at the API server")
    # A Service maps 443 to it, which takes privileges to listen on here.
    file.write_text(text.replace(f'"https://{API_SERVER}/openid/', f'"https://{API_SERVER}:6443/openid/'))
    return {**mounts, "/etc/hosts": hosts}


CONFIG = """
[listen]
proxy = ["127.0.0.1:3600"]
admin = "127.0.0.1:3601"

[tenants.acme]
endpoint      = "http://127.0.0.1:9"
client_id     = "app"
client_secret = { file = "/etc/claviger/secret" }

[policies.read]
allow = ["users:read"]

[callers.local]
identify = { loopback = true }
tenants  = ["acme"]
policies = ["read"]
"""


def mounted_config(directory, text=CONFIG):
    home = Path(tempfile.mkdtemp(dir=directory))
    home.chmod(0o755)
    (home / "claviger.toml").write_text(text)
    (home / "secret").write_text("not-a-real-secret")
    return {"/etc/claviger": home}


# --- tests ---------------------------------------------------------------------------------

def manifests_are_valid(_):
    """every manifest passes kubernetes-validate --strict"""
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    done = subprocess.run([PYTHON.with_name("kubernetes-validate"), "--strict", *files], text=True, capture_output=True)
    check(done.returncode == 0, done.stdout + done.stderr)
    count = done.stdout.count("passed for resource") + done.stderr.count("passed for resource")
    check(count == len(documents()), f"{count} of {len(documents())} documents were validated")


def manifests_are_restricted(_):
    """every pod keeps to the restricted Pod Security Standard, with a read-only root for Claviger"""
    for file, document in documents():
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        check(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{file}: seccompProfile")
        check(pod["automountServiceAccountToken"] is False, f"{file}: a service account token is mounted")
        for host in ("hostNetwork", "hostPID", "hostIPC"):
            check(not pod.get(host), f"{file}: {host}")
        for volume in pod["volumes"]:
            check(set(volume) <= {"name", "configMap", "secret", "emptyDir", "projected"}, f"{file}: volume {volume}")
        for container in pod.get("initContainers", []) + pod["containers"]:
            where = f"{file}: {container['name']}"
            context = {**pod["securityContext"], **container.get("securityContext", {})}
            check(context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0, f"{where}: may run as root")
            check(context.get("allowPrivilegeEscalation") is False, f"{where}: allowPrivilegeEscalation")
            check(context.get("capabilities") == {"drop": ["ALL"]}, f"{where}: capabilities")
            if container["name"] == "claviger":
                check(context.get("readOnlyRootFilesystem") is True, f"{where}: readOnlyRootFilesystem")
                check("memory" in container["resources"]["limits"], f"{where}: no memory limit")
                user = f"{context['runAsUser']}:{context['runAsGroup']}"
                check(dict(final_stage())["USER"] == user, f"{where}: runs as {user}, the image as another")


def vault_rights_are_least(_):
    """the vault's Role gives Secrets of its own namespace, by six verbs, to Claviger's ServiceAccount alone"""
    found = {d["kind"]: d for name, d in documents() if name == "vault-rbac.yaml"}
    check(set(found) == {"Namespace", "Role", "RoleBinding"}, f"no more and no less: {sorted(found)}")
    home, role, binding = found["Namespace"]["metadata"]["name"], found["Role"], found["RoleBinding"]
    check(role["metadata"]["namespace"] == binding["metadata"]["namespace"] == home, "rights beyond the vault's namespace")
    check(len(role["rules"]) == 1, "one rule")
    rule = role["rules"][0]
    check(rule["apiGroups"] == [""] and rule["resources"] == ["secrets"], f"{rule}")
    # What vault/kubernetes/api.rs calls; never patch, deletecollection or *.
    check(sorted(rule["verbs"]) == ["create", "delete", "get", "list", "update", "watch"], f"{rule['verbs']}")
    check(binding["roleRef"]["kind"] == "Role" and binding["roleRef"]["name"] == role["metadata"]["name"], "another role")
    accounts = [d["metadata"]["name"] for name, d in documents() if name == "gateway.yaml" and d["kind"] == "ServiceAccount"]
    subjects = [(s["kind"], s["name"]) for s in binding["subjects"]]
    check(subjects == [("ServiceAccount", name) for name in accounts], f"{subjects}")
    others = [d["kind"] for name, d in documents() if name != "vault-rbac.yaml" and d["kind"].startswith(("Role", "ClusterRole"))]
    check(not others, f"rights beside it: {others}")


def manifests_hang_together(_):
    """selectors, volumes, ports and names that manifests refer to are there"""
    for file in manifests():
        own = belonging_to(file)
        deployments = [d for d in own if d["kind"] == "Deployment"]
        labels = [d["spec"]["template"]["metadata"]["labels"].items() for d in deployments]
        names = {(d["kind"], d["metadata"]["name"]) for d in own}
        for d in own:
            selector = {"Deployment": lambda s: s["selector"]["matchLabels"], "Service": lambda s: s["selector"],
                        "PodDisruptionBudget": lambda s: s["selector"]["matchLabels"],
                        "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"]}.get(d["kind"])
            if selector:
                wanted = selector(d["spec"]).items()
                check(any(wanted <= have for have in labels), f"{file}: {d['kind']} selects no pod: {dict(wanted)}")
        pod, claviger = claviger_in(file)
        ports = {port["name"] for port in claviger.get("ports", [])}
        for d in own:
            used = {"Service": lambda s: [p["targetPort"] for p in s["ports"]],
                    "NetworkPolicy": lambda s: [p["port"] for rule in s["ingress"] for p in rule["ports"]]}.get(d["kind"])
            for port in used(d["spec"]) if used else ():
                check(port in ports, f"{file}: {d['kind']} names the port {port}, which no container has")
        for volume in pod["volumes"]:
            if "projected" in volume:
                continue
            name = (("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume
                    else ("Secret", volume["secret"]["secretName"]))
            check(name in names, f"{file}: {name} is not in the file")
        secrets = {v["name"] for v in pod["volumes"] if "secret" in v or "projected" in v}
        for container in pod.get("initContainers", []) + pod["containers"]:
            mounted = {m["name"] for m in container.get("volumeMounts", [])}
            check(mounted <= {v["name"] for v in pod["volumes"]}, f"{file}: {container['name']} mounts what is no volume")
            check(container is claviger or not mounted & secrets, f"{file}: {container['name']} can read Claviger's Secret")
            check(all("subPath" not in m for m in container.get("volumeMounts", [])), f"{file}: subPath is never updated")
        for d in own:
            if d["kind"] == "PodDisruptionBudget":
                check(deployments[0]["spec"]["replicas"] > d["spec"]["maxUnavailable"], f"{file}: the budget allows none left")
    pod, claviger = claviger_in("sidecar.yaml")
    check(claviger in pod["initContainers"] and claviger["restartPolicy"] == "Always", "sidecar.yaml: not a native sidecar")


def config_of(file):
    import tomllib
    texts = [d["data"]["claviger.toml"] for d in belonging_to(file) if d["kind"] == "ConfigMap"]
    check(len(texts) == 1, f"{file}: {len(texts)} configurations")
    return tomllib.loads(texts[0])


def pods_live_and_end_well(_):
    """a hung process is replaced soon, one that cannot start says why, and a drain is noticed before it begins"""
    for file in manifests():
        pod, claviger = claviger_in(file)
        config = config_of(file)
        check(claviger.get("terminationMessagePolicy") == "FallbackToLogsOnError", f"{file}: terminationMessagePolicy")
        for name in ("startupProbe", "livenessProbe"):
            probe = claviger[name]
            grace = probe.get("terminationGracePeriodSeconds")
            check(grace is not None and 1 <= grace <= 10, f"{file}: {name}: terminationGracePeriodSeconds {grace}")
            if "exec" in probe:
                # An address that is looked up in the configuration is that of a process to come.
                command = probe["exec"]["command"]
                wanted = ["/claviger", "healthcheck", "--address", config["listen"]["admin"]]
                check(command == wanted, f"{file}: {name}: {command}, wanted {wanted}")
        probe = claviger["livenessProbe"]
        # Of a probe that fails, the next ones as many times as it takes, each with its time, and the end.
        most = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] + grace
        check(most <= 35, f"{file}: a hung process is replaced after up to {most} s")
        check("fsGroup" not in pod["securityContext"], f"{file}: fsGroup is for every volume of the pod")
        ndots = [o["value"] for o in pod.get("dnsConfig", {}).get("options", []) if o["name"] == "ndots"]
        check(ndots in (["1"], ["2"]), f"{file}: ndots {ndots}")
        check(all(d["kind"] != "Secret" for n, d in documents() if n == file), f"{file}: a Secret among what is applied again")
        listens = config["listen"]
        if any(not a.startswith(("127.", "unix:")) for a in listens["proxy"]):
            shutdown = config["shutdown"]
            delay, drain = (int(shutdown[k].removesuffix("s")) for k in ("delay", "drain"))
            check(delay >= 5, f"{file}: shutdown.delay is {delay} s")
            check(pod["terminationGracePeriodSeconds"] > delay + drain, f"{file}: the pod is killed before it has drained")
        if any("jwks" not in i or isinstance(i["jwks"], str) for i in config.get("issuers", {}).values()):
            probe = claviger["startupProbe"]
            check(probe["httpGet"]["path"] == "/startupz", f"{file}: a start without keys is taken for one")
            waits = {"s": 1, "m": 60}
            startup = config.get("timeouts", {}).get("startup", "5m")
            window = probe["periodSeconds"] * probe["failureThreshold"]
            check(int(startup[:-1]) * waits[startup[-1]] > window, f"{file}: {startup} is over before the probe gives up ({window} s)")
        if not listens["admin"].startswith(("127.", "unix:")):
            check("token" in config.get("admin", {}), f"{file}: /status is open to the network, and not shown without a token")


def egress_fits(_):
    """a network policy lets out what the configuration needs: names, tenants, issuers"""
    from urllib.parse import urlsplit
    for file in manifests():
        config = config_of(file)
        for d in belonging_to(file):
            if d["kind"] != "NetworkPolicy":
                continue
            open_ports = {(p["port"], p["protocol"]) for rule in d["spec"]["egress"] for p in rule["ports"]}
            check({(53, "UDP"), (53, "TCP")} <= open_ports, f"{file}: no names: {open_ports}")
            urls = [t["endpoint"] for t in config["tenants"].values()]
            urls += [i.get("jwks", i["issuer"]) for i in config.get("issuers", {}).values()]
            needed = set()
            for url in map(urlsplit, (url for url in urls if isinstance(url, str))):
                # A policy is about the port behind a Service.
                port = 6443 if url.hostname == API_SERVER else url.port or {"https": 443, "http": 80}[url.scheme]
                check((port, "TCP") in open_ports, f"{file}: no way out to {url.geturl()}")
                needed.add(port)
            check(len(open_ports) == 2 + len(needed), f"{file}: more than is needed: {open_ports}")


def monitoring_fits(_):
    """what the Prometheus Operator gets selects the gateway's pods, and every alert is about metrics that there are"""
    import yaml
    monitor, rules = yaml.safe_load_all((DEPLOY / "kubernetes" / "monitoring" / "operator.yaml").read_text())
    check((monitor["kind"], rules["kind"]) == ("PodMonitor", "PrometheusRule"), f"{monitor['kind']}, {rules['kind']}")
    labels = {d["kind"]: d for d in belonging_to("gateway.yaml")}["Deployment"]["spec"]["template"]["metadata"]["labels"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    check(wanted <= labels.items(), f"the monitor selects no pod: {dict(wanted)}")
    _, claviger = claviger_in("gateway.yaml")
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        check(endpoint["port"] in {p["name"] for p in claviger["ports"]}, f"no container has the port {endpoint['port']}")
    pages = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    known = set(re.findall(r"`([a-z_]+)`", pages))
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            for metric in re.findall(r"claviger_([a-z_]+)", rule["expr"]):
                check(metric in known, f"{rule['alert']}: there is no claviger_{metric}")
            check(rule["labels"]["severity"] in ("critical", "warning"), f"{rule['alert']}: severity")
            check(set(rule["annotations"]) == {"summary", "description"}, f"{rule['alert']}: {set(rule['annotations'])}")
    promtool = shutil.which("promtool")
    if not promtool:
        say("promtool (Debian: prometheus) is not here: the expressions were not parsed")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(rules["spec"], file)
        file.flush()
        done = subprocess.run([promtool, "check", "rules", file.name], text=True, capture_output=True)
    check(done.returncode == 0, done.stdout + done.stderr)


def image_is_bare(world):
    """the final stage is scratch with one static binary, no shell, an unprivileged user"""
    stage = final_stage()
    words = dict(stage)
    check(words["FROM"] == "scratch", f"the final stage is FROM {words['FROM']}")
    check({word for word, _ in stage} <= {"FROM", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"},
          f"the final stage does something that this test does not reproduce: {stage}")
    check([rest for word, rest in stage if word == "COPY"] == ["--from=build /out/ /"], "the test copies /out/ to / only")
    check("deploy/rootfs.sh /out" in (DEPLOY / "Dockerfile").read_text(), "the build stage does not run rootfs.sh")
    check(words["USER"] == "65532:65532", f"USER {words['USER']}")
    found = {str(p.relative_to(world.root)) for p in world.root.rglob("*") if not p.is_dir()}
    check("claviger" in found and all(f == "claviger" or f.startswith("licenses/") for f in found), f"it holds {found}")
    for path in world.root.rglob("*"):
        mode = path.lstat().st_mode
        check(not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH | stat.S_IWGRP), f"{path}: mode {mode:o}")
    data = (world.root / "claviger").read_bytes()
    check(data[:5] == b"\x7fELF\x02", "claviger is no 64-bit ELF")
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, offset + size * n)[0] for n in range(count)]
    check(3 not in kinds, "claviger asks for a dynamic linker: it is not static")


def image_is_small(world):
    """the binary has the size that README gives"""
    if {"CLAVIGER_WITHOUT_PROFILE", "CLAVIGER_TARGET"} & os.environ.keys() or os.uname().machine != "x86_64":
        return "another binary than README's"
    said = float(re.search(r"the image has ([\d.]+) MiB", (ROOT / "README.md").read_text())[1])
    size = (world.root / "claviger").stat().st_size / 2**20
    # No profile is quite as another.
    check(abs(size - said) < 0.2, f"{size:.2f} MiB, where README says {said}")
    print(f"     {size:.2f} MiB", flush=True)


def image_runs(world):
    """it runs as the image says: healthy, without privileges, and ends cleanly on SIGTERM"""
    words = dict(final_stage())
    argv = json.loads(words["ENTRYPOINT"]) + json.loads(words["CMD"])
    probe = json.loads(words["HEALTHCHECK"].partition("CMD ")[2])
    mounts = mounted_config(world.directory)
    with Container(world.root, argv, mounts, world.directory) as container:
        for path in ("/livez", "/readyz", "/startupz"):
            wait_for(container, 3601, path)
        about = Path(f"/proc/{container.pid()}/status").read_text()
        check("NoNewPrivs:\t1" in about and re.search(r"CapEff:\t0+\n", about) and re.search(r"CapBnd:\t0+\n", about),
              f"it has privileges:\n{about}")
        with Container(world.root, probe, mounts, world.directory) as health:
            check(health.ends(10) == 0, f"{probe} failed while it runs:\n{health.said()}")
        started = time.monotonic()
        code = container.stop()
        check(code == 0, f"SIGTERM ended it with {code}, not 0:\n{container.said()}")
        print(f"     SIGTERM to exit {time.monotonic() - started:.1f} s", flush=True)
    with Container(world.root, probe, mounts, world.directory) as health:
        check(health.ends(10) not in (0, 127), "the health check passes though nothing runs, or cannot run at all")


def image_has_no_emulator(world):
    """`claviger demo` ends with 2 and says which build has it"""
    with Container(world.root, ["/claviger", "demo"], {}, world.directory) as container:
        code = container.ends(20)
        check(code == 2, f"ended with {code}, wanted 2:\n{container.said()}")
        check("this build has no emulator" in container.said(), f"the message does not say why:\n{container.said()}")


def image_refuses_bad_config(world):
    """an unknown key ends it with 64 before a port is bound"""
    mounts = mounted_config(world.directory, CONFIG.replace("client_id ", "clientid "))
    with Container(world.root, ["/claviger", "serve"], mounts, world.directory) as container:
        code = container.ends(20)
        check(code == 64, f"ended with {code}, wanted 64:\n{container.said()}")
        check("clientid" in container.said(), f"the message does not name the key:\n{container.said()}")


def configurations_pass(world):
    """`claviger check` accepts the configuration of each manifest, mounted as there"""
    for file in manifests():
        with Container(world.root, ["/claviger", "check", "--config", "/etc/claviger/claviger.toml"],
                       mounts_of(file, world.directory), world.directory) as container:
            code = container.ends(20)
            check(code == 0, f"{file}: ended with {code}:\n{container.said()}")


def sidecar_runs(world):
    """the sidecar starts with the manifest's arguments and mounts, and its exec probes pass"""
    _, spec = claviger_in("sidecar.yaml")
    mounts = mounts_of("sidecar.yaml", world.directory)
    with Container(world.root, ["/claviger", *spec["args"]], mounts, world.directory) as container:
        wait_for(container, 3601, "/readyz")
        for probe in ("startupProbe", "livenessProbe"):
            with Container(world.root, spec[probe]["exec"]["command"], mounts, world.directory) as health:
                check(health.ends(10) == 0, f"{probe} fails:\n{health.said()}")
        # A broken edit, even of the admin address, kills nothing.
        file = mounts["/etc/claviger"] / "claviger.toml"
        file.write_text(file.read_text().replace('admin = "127.0.0.1:3601"', 'admin = "127.0.0.1:3701"\nadmni = 1'))
        with Container(world.root, spec["livenessProbe"]["exec"]["command"], mounts, world.directory) as health:
            check(health.ends(10) == 0, f"a broken edit of the configuration ends the process:\n{health.said()}")
        check(status_of(3600, "/not-an-api") == 404, "the proxy listener does not answer 404 outside /api")
        check(container.stop() == 0, f"SIGTERM did not end it with 0:\n{container.said()}")


def gateway_runs(world):
    """the gateway's probes pass with the cluster's keys and not before; ServiceAccounts are known by their tokens, over TLS alone"""
    _, spec = claviger_in("gateway.yaml")
    ports = {port["name"]: port["containerPort"] for port in spec["ports"]}
    mounts = in_cluster(mounts_of("gateway.yaml", world.directory), world.directory)
    trusted = mounts["/run/secrets/tls"] / "tls.crt"
    with (ApiServer(world.directory) as cluster,
          Container(world.root, ["/claviger", *spec["args"]], mounts, world.directory) as container):
        cluster.wanted = "Bearer of-the-next-token"
        wait_for(container, ports["admin"], spec["readinessProbe"]["httpGet"]["path"])
        startup = spec["startupProbe"]["httpGet"]["path"]
        check(status_of(ports["admin"], startup) == 503, f"it counts as started without keys:\n{container.said()}")

        def of(account, audience="claviger"):
            return answer_of(ports["proxy"], "/api/users", trusted, cluster.token(account, audience))

        check(of("shop/billing") == (503, "claviger.issuer_unavailable"), f"without keys: {of('shop/billing')}\n{container.said()}")
        # The kubelet writes another token.
        token = mounts["/var/run/secrets/kubernetes.io/serviceaccount"] / "token"
        token.write_text("of-the-next-token\n")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            get = spec[probe]["httpGet"]
            wait_for(container, ports[get["port"]], get["path"])
        check(of("shop/other") == (401, "claviger.caller_unknown"), f"another account: {of('shop/other')}")
        check(of("shop/billing", "other") == (401, "claviger.caller_unknown"), "a token for another audience")
        # No name leads to Logto here.
        check(of("shop/billing") == (503, "claviger.token_unavailable"), f"{of('shop/billing')}\n{container.said()}")
        status = status_of(ports["proxy"], "/api/users", trusted)
        check(status == 401, f"a caller without a key was answered {status}, not 401:\n{container.said()}")
        check(TOKEN not in container.said() and "of-the-next-token" not in container.said(), "a bearer token is in the log")
        check(container.stop() == 0, f"SIGTERM did not end it with 0:\n{container.said()}")


def systemd_unit(world):
    """systemd-analyze finds no fault in the unit, and rates its exposure low"""
    if not shutil.which("systemd-analyze"):
        return "systemd-analyze is not installed"
    unit = Path(world.directory) / "claviger.service"
    text = (DEPLOY / "systemd" / "claviger.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/claviger", str(world.root / "claviger")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True, capture_output=True)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "claviger" in line]
    check(not ours, "\n".join(ours))
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", unit],
                          text=True, capture_output=True)
    check(done.returncode == 0, f"exposure above 2.0:\n{done.stdout[-1500:]}{done.stderr}")


TESTS = [manifests_are_valid, manifests_are_restricted, vault_rights_are_least, manifests_hang_together, pods_live_and_end_well, egress_fits, monitoring_fits, image_is_bare, image_is_small, image_runs,
         image_has_no_emulator, image_refuses_bad_config, configurations_pass, sidecar_runs, gateway_runs, systemd_unit]


# --- report ----------------------------------------------------------------------------------

class World:
    def __init__(self, root, directory):
        self.root, self.directory = root, directory


def run(root, names):
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="claviger-deploy-") as directory:
        os.chmod(directory, 0o755)
        world = World(root, directory)
        for test in TESTS:
            if names and test.__name__ not in names:
                continue
            try:
                why_not = test(world)
                skipped, passed = skipped + bool(why_not), passed + (not why_not)
                verdict = f"skip ({why_not})" if why_not else "ok  "
            except (Failed, OSError, LookupError, http.client.HTTPException, subprocess.SubprocessError) as error:
                failed, verdict = failed + 1, "FAIL"
                print(error if isinstance(error, Failed) else repr(error), flush=True)
            print(f"{verdict} {test.__name__} ({test.__doc__})", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    sys.exit(1 if failed or not passed else 0)


def main():
    known = [test.__name__ for test in TESTS]
    p = argparse.ArgumentParser(description="The deployment files, tested without a container engine.")
    p.add_argument("--root", type=Path, help="a root file system that is built already")
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(known)}")
    options = p.parse_args()
    if unknown := set(options.names) - set(known):
        p.error(f"no such test: {', '.join(sorted(unknown))}")
    if options.inside:
        run(options.root, options.names)
    install()
    root = options.root
    if not root:
        root = HOME / "root"
        shutil.rmtree(root, ignore_errors=True)
        build(root)
    # From here on there is no network but this namespace's own loopback, so fixed ports are free.
    os.execvp("bwrap", ["bwrap", "--unshare-net", "--dev-bind", "/", "/", "--die-with-parent", str(PYTHON),
                        str(Path(__file__).resolve()), "--inside", "--root", str(root.resolve()), *options.names])


if __name__ == "__main__":
    main()
