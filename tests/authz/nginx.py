"""nginx with `auth_request`, as docs/authz.md has it."""
import os
import shutil

import front
from front import KEY, check


class Nginx(front.Front):
    """Debian's."""

    def command(self):
        binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        check(binary, "nginx is not installed: scripts/apt.sh nginx=nginx-light")
        server = front.changed(
            front.documented("nginx"), ("listen 8080;", f"listen unix:{self.socket};"),
            ("http://127.0.0.1:3600", self.claviger), ("https://acme.logto.app", f"http://{self.recorder.address}"),
            ("proxy_ssl_server_name on;", ""), ("acme.logto.app", self.recorder.address))
        temp = "\n".join(f"  {kind}_temp_path {self.directory}/{kind};"
                         for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.directory / "nginx.conf"
        conf.write_text(f"daemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\nerror_log stderr info;\n"
                        f"events {{}}\nhttp {{\n  access_log off;\n{temp}\n{server}}}\n")
        return [binary, "-p", self.directory, "-c", conf, "-e", "stderr"]


def two_authorizations_are_refused(nginx):
    """nginx itself does, whatever else the request has."""
    two = ("Authorization", f"Bearer {KEY}"), ("authorization", "Bearer mine")
    nginx.refused(400, "two of them", "GET", "/api/roles", *two)
    nginx.refused(400, "two of them and a key", "GET", "/api/roles", *two, ("Claviger-Key", KEY))


def nothing_passes_while_it_is_off(nginx):
    status, _, text = nginx.ask("GET", "/api/users", ("Claviger-Key", KEY))
    check(status in (404, 500) and not nginx.recorder.taken(), f"{status}: {text}")


def nothing_passes_while_claviger_is_down(nginx):
    nginx.stop_claviger()
    nginx.refused(502, "without Claviger", "GET", "/api/users", ("Claviger-Key", KEY))


def a_429_says_when_to_come_again(nginx):
    answer, _ = front.the_callers_limit_counts(nginx)
    check(int(answer.getheader("Retry-After", 0)) > 0, f"{answer.getheaders()}")
    answer, _ = nginx.refused(404, "no such operation", "GET", "/api/nothing-of-the-kind", ("Claviger-Key", KEY))
    check(answer.getheader("Retry-After") is None, f"{answer.getheaders()}")


def a_rejected_credential_is_a_502(nginx):
    nginx.refused(502, "the issuer knows no such secret", "GET", "/api/users", ("Claviger-Key", KEY))


def no_issuer_is_a_503_with_a_time(nginx):
    answer, _ = nginx.refused(503, "nobody issues tokens", "GET", "/api/users", ("Claviger-Key", KEY))
    check(int(answer.getheader("Retry-After", 0)) > 0, f"{answer.getheaders()}")


SETTINGS = [
    ("nginx", lambda stage: Nginx(stage, "nginx"),
     [*front.SHARED, two_authorizations_are_refused, a_429_says_when_to_come_again, nothing_passes_while_claviger_is_down]),
    ("nginx-rejected", lambda stage: Nginx(stage, "nginx-rejected", secret="not-the-secret"), [a_rejected_credential_is_a_502]),
    ("nginx-outage", lambda stage: Nginx(stage, "nginx-outage", logto="http://127.0.0.1:9"), [no_issuer_is_a_503_with_a_time]),
    ("nginx-off", lambda stage: Nginx(stage, "nginx-off", enabled="false"), [nothing_passes_while_it_is_off]),
]
