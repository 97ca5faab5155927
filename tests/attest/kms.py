"""AWS KMS as far as signing needs it, on loopback: JSON 1.1, keys that sign what they are told.

moto hashes a digest once more, so that nothing verifies what it signs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

SHA: dict[str, Any] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@dataclass
class Kms:
    """Keys by their name; `disabled` are those that sign no more."""

    url: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)

    def make(self, name: str, kind: str) -> None:
        """A key of that spec."""
        curves: dict[str, Any] = {
            "ECC_NIST_P256": ec.SECP256R1(),
            "ECC_NIST_P384": ec.SECP384R1(),
            "ECC_SECG_P256K1": ec.SECP256K1(),
        }
        self.keys[name] = (
            rsa.generate_private_key(65537, 2048)
            if kind == "RSA_2048"
            else ec.generate_private_key(curves[kind])
        )

    def answer(self, what: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, body) of one request."""
        name = asked["KeyId"]
        if name not in self.keys:
            return 400, {"__type": "NotFoundException", "message": f"Invalid keyId {name}"}
        key = self.keys[name]
        if what == "GetPublicKey":
            der = key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            return 200, {
                "PublicKey": base64.b64encode(der).decode(),
                "SigningAlgorithms": algorithms(key),
            }
        if name in self.disabled:
            return 400, {"__type": "DisabledException", "message": f"{name} is disabled."}
        algorithm = asked["SigningAlgorithm"]
        assert asked["MessageType"] == "DIGEST"
        assert algorithm in algorithms(key)
        signed = made(key, base64.b64decode(asked["Message"]), algorithm)
        return 200, {"Signature": base64.b64encode(signed).decode(), "SigningAlgorithm": algorithm}


def algorithms(key: Any) -> list[str]:
    """What a key signs by."""
    if isinstance(key, rsa.RSAPrivateKey):
        kinds = ("RSASSA_PSS_SHA", "RSASSA_PKCS1_V1_5_SHA")
        return [f"{kind}_{bits}" for kind in kinds for bits in SHA]
    return [f"ECDSA_SHA_{'384' if key.curve.key_size == 384 else '256'}"]


def made(key: Any, digest: bytes, algorithm: str) -> bytes:
    """The signature of a digest."""
    sha = SHA[algorithm[-3:]]
    if isinstance(key, rsa.RSAPrivateKey):
        pad = padding.PSS(padding.MGF1(sha), sha.digest_size)
        return key.sign(digest, pad, Prehashed(sha))
    signed: bytes = key.sign(digest, ec.ECDSA(Prehashed(sha)))
    return signed


@contextlib.contextmanager
def kms() -> Iterator[Kms]:
    """One that answers until the block ends."""
    found = Kms()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            what = self.headers["X-Amz-Target"].partition(".")[2]
            status, body = found.answer(what, asked)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
