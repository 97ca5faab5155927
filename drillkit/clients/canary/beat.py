"""The heartbeat: a signed beat every minute, whose newest one in restored data tells up to when
that data reaches.

A beat is `(at, token, signature)`: a row of the table `drillkit_<name>`, or the keys of the
ConfigMap `drillkit-<name>`. The signature is the HMAC-SHA256, in lower-case hexadecimal, of
`<microseconds since the epoch>:<token>`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from drillkit.lazy_dataclass import dataclass

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT = "heartbeat"
"""Name of a heartbeat that has no other."""
KEY = "key"
"""Key of the Secret whose value the beats are signed with."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat as it was found."""

    at: datetime
    token: str
    signature: str

    def signed_with(self, key: bytes) -> bool:
        """Whether this very beat was signed with that key."""
        return hmac.compare_digest(sign(key, self.at, self.token).encode(), self.signature.encode())


def table_of(name: str) -> str:
    """Its table: `(at timestamptz, token text, signature text)`."""
    return f"drillkit_{name}"


def object_of(name: str) -> str:
    """Name of its ConfigMap, of the Secret with its key, of the CronJob and the rest
    in Kubernetes.
    """
    return f"drillkit-{name}"


def sign(key: bytes, at: datetime, token: str) -> str:
    """The signature of a beat."""
    micros = (at - EPOCH) // timedelta(microseconds=1)
    return hmac.new(key, f"{micros}:{token}".encode(), hashlib.sha256).hexdigest()


def beat_of(data: Mapping[str, str]) -> Beat:
    """The beat in a ConfigMap's data. Raises ValueError saying what is missing or no date."""
    if missing := [name for name in ("at", "token", "signature") if not data.get(name)]:
        raise ValueError(f"expected at, token and signature; {', '.join(missing)} is missing")
    try:
        at = datetime.fromisoformat(data["at"])
    except ValueError as error:
        raise ValueError(f"expected a date in `at`, found {data['at'][:40]!r}") from error
    return Beat(at if at.tzinfo else at.replace(tzinfo=UTC), data["token"], data["signature"])
