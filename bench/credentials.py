"""What callers show: certificates by the `openssl` command, and JWTs like those of Kubernetes, with their key set."""
import base64
import ctypes
import ctypes.util
import json
import subprocess
import time

from servers import Broken, tool

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "claviger"
ACCOUNT = "shop/billing"
SPIFFE = "spiffe://bench.example/ns/shop/sa/billing"


def openssl(*arguments):
    done = subprocess.run([tool("openssl"), *map(str, arguments)], capture_output=True)
    if done.returncode:
        raise Broken(f"openssl {arguments[0]} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


# --- certificates -----------------------------------------------------------------

def certificates(directory):
    """An authority (ca.crt), a server of 127.0.0.1 (tls.crt, tls.key) and a client (client.pem: both); P-256."""
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, ca_key = directory / "ca.crt", directory / "ca.key"
    openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", 2, "-subj", "/CN=bench authority")
    for name, names, use in (("tls", "IP:127.0.0.1", "serverAuth"), ("client", f"URI:{SPIFFE}", "clientAuth")):
        key, request, certificate = (directory / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extensions = directory / f"{name}.ext"
        extensions.write_text(f"basicConstraints=critical,CA:FALSE\nsubjectAltName={names}\nextendedKeyUsage={use}\n")
        openssl("req", "-new", *new_key, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", 2,
                "-extfile", extensions, "-out", certificate)
    pem = directory / "client.pem"
    pem.touch(0o600)
    pem.write_text((directory / "client.crt").read_text() + (directory / "client.key").read_text())


# --- tokens -------------------------------------------------------------------------

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return base64url(json.dumps(value, separators=(",", ":")).encode())


class Signer:
    """A key pair of an issuer. Signs by libcrypto: a process of `openssl` for each of many tokens takes minutes."""

    MADE_BY = {"RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
               "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}

    def __init__(self, algorithm, directory):
        self.algorithm = algorithm
        self.file = directory / f"{algorithm}.key"
        openssl("genpkey", "-algorithm", *self.MADE_BY[algorithm], "-out", self.file)
        self.crypto = libcrypto()
        pem = self.file.read_bytes()
        self.key = self.crypto.PEM_read_bio_PrivateKey(self.crypto.BIO_new_mem_buf(pem, len(pem)), None, None, None)
        if not self.key:
            raise Broken(f"libcrypto does not read {self.file}")

    def jwk(self):
        if self.algorithm == "RS256":
            modulus = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().partition("=")[2]
            key = {"kty": "RSA", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}
        else:
            point = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
            key = {"kty": "EC", "crv": "P-256", "x": base64url(point[:32]), "y": base64url(point[32:])}
        return {**key, "kid": self.algorithm, "use": "sig"}

    def signature(self, message):
        crypto, out, size = self.crypto, ctypes.create_string_buffer(512), ctypes.c_size_t(512)
        context = crypto.EVP_MD_CTX_new()
        good = (crypto.EVP_DigestSignInit(context, None, crypto.EVP_sha256(), None, self.key) == 1
                and crypto.EVP_DigestSign(context, out, ctypes.byref(size), message, len(message)) == 1)
        crypto.EVP_MD_CTX_free(context)
        if not good:
            raise Broken("libcrypto does not sign")
        signature = out.raw[:size.value]
        return signature if self.algorithm == "RS256" else two_numbers(signature)

    def token(self, number):
        """A ServiceAccount's token that lasts a day; another `number` makes another token."""
        now = int(time.time())
        namespace, name = ACCOUNT.split("/")
        header = {"alg": self.algorithm, "kid": self.algorithm}
        claims = {
            "aud": [AUDIENCE], "exp": now + 86400, "iat": now, "iss": ISSUER,
            "jti": f"0cda8d5e-7a9b-4e3b-a5f9-{number:012x}",
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node-1", "uid": "2f0f2c84-8f3e-4a2b-9c9e-3b0f5f1f0a01"},
                "pod": {"name": "billing-7d9c5b6f4d-x2x7k", "uid": "5c1b9f3e-8f0b-4d8e-9a53-6e5f0f4f1c55"},
                "serviceaccount": {"name": name, "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
                "warnafter": now + 3607,
            },
            "nbf": now, "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        message = f"{compact(header)}.{compact(claims)}"
        return f"{message}.{base64url(self.signature(message.encode()))}"


def libcrypto():
    name = ctypes.util.find_library("crypto")
    if not name:
        raise Broken("libcrypto is missing: `make bench-tools` installs openssl")
    crypto = ctypes.CDLL(name)
    p, size = ctypes.c_void_p, ctypes.c_size_t
    for function, result, arguments in (
            ("BIO_new_mem_buf", p, [ctypes.c_char_p, ctypes.c_int]),
            ("PEM_read_bio_PrivateKey", p, [p, p, p, p]),
            ("EVP_sha256", p, []),
            ("EVP_MD_CTX_new", p, []),
            ("EVP_MD_CTX_free", None, [p]),
            ("EVP_DigestSignInit", ctypes.c_int, [p, p, p, p, p]),
            ("EVP_DigestSign", ctypes.c_int, [p, p, p, ctypes.c_char_p, size])):
        getattr(crypto, function).restype = result
        getattr(crypto, function).argtypes = arguments
    return crypto


def two_numbers(der):
    """An ECDSA signature as JWTs have it (RFC 7518 section 3.4): 32 bytes each, instead of two DER integers."""
    def number(at):
        length = der[at + 1]
        return int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"), at + 2 + length
    r, at = number(2)
    s, _ = number(at)
    return r + s
