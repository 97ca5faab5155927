"""Bearer tokens of ServiceAccounts: made on request, checked without being kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from datetime import datetime
from typing import Any

_HEADER = {"alg": "HS256", "typ": "JWT"}


class Tokens:
    """Signs and checks JSON Web Tokens with a key that lives as long as this process."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key or secrets.token_bytes(32)

    def issue(self, namespace: str, name: str, uid: str, until: datetime) -> str:
        """A token for that ServiceAccount, good until then."""
        about = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        claims = {
            "aud": ["https://kubernetes.default.svc"],
            "exp": int(until.timestamp()),
            "iss": "https://kubernetes.default.svc",
            "kubernetes.io": about,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        signed = f"{_packed(_HEADER)}.{_packed(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def bearer(self, token: str, now: datetime) -> tuple[str, str, str] | None:
        """Namespace, name and UID of the ServiceAccount that a token stands for; None for a token
        of others or one whose time is over.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        try:
            claims = json.loads(_raw(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        if claims["exp"] <= now.timestamp():
            return None
        about = claims["kubernetes.io"]
        account = about["serviceaccount"]
        return about["namespace"], account["name"], account["uid"]

    def _signature(self, signed: str) -> str:
        return _text(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _packed(value: Any) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
