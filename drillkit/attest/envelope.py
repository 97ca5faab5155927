"""DSSE envelopes around statements: signed, and verified against pinned keys only.

Format: https://github.com/secure-systems-lab/dsse (v1.0.2), by securesystemslib.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drillkit.attest.statement import PAYLOAD_TYPE, STATEMENT
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.json_text import load_json

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer


class BadEnvelope(DrillError):
    """An envelope that is none, or whose signature no pinned key made."""

    exit_code = 3


class NotSigned(DrillError):
    """A key that does not sign."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement that pinned keys have signed."""

    subject: Mapping[str, str]
    """SHA-256 by name."""
    kind: str
    """Predicate type."""
    predicate: Mapping[str, Any]
    keys: tuple[str, ...]
    """Ids of the keys whose signatures hold."""


def sign(payload: bytes, signer: Signer) -> bytes:
    """One envelope as a line of JSON, without its line feed. Raises NotSigned."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    try:
        envelope.sign(signer)
    except Exception as error:  # a key that is elsewhere fails as whatever leads there does
        raise NotSigned(f"key {signer.public_key.keyid[:16]}… does not sign: {error}") from error
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


def verify(line: bytes, keys: Sequence[Key]) -> Signed:
    """What a line says, if a pinned key signed it. Raises BadEnvelope."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        raw = load_json(line)
        envelope = Envelope.from_dict(load_json(line))
        again = json.dumps(envelope.to_dict(), separators=(",", ":")).encode()
        signers = [str(each.get("keyid", "")) for each in raw["signatures"]]
    except Exception as error:  # the library raises whatever the bytes make it raise
        raise BadEnvelope(f"no DSSE envelope ({type(error).__name__}: {error})") from error
    if again != line:
        raise BadEnvelope("this envelope is not as it was written")
    try:
        accepted = envelope.verify(list(keys), 1)
    except VerificationError as error:
        known = {key.keyid for key in keys}
        why = (
            "its signature does not fit its content"
            if known & set(signers)
            else f"it was signed by {', '.join(signers) or 'nobody'}, which is none of the keys "
            f"given ({', '.join(sorted(known))})"
        )
        raise BadEnvelope(why) from error
    return _statement(envelope.payload, envelope.payload_type, tuple(sorted(accepted)))


def _statement(payload: bytes, payload_type: str, keys: tuple[str, ...]) -> Signed:
    if payload_type != PAYLOAD_TYPE:
        raise BadEnvelope(f"expected a payload of type {PAYLOAD_TYPE}, found {payload_type}")
    try:
        data = load_json(payload)
        if data["_type"] != STATEMENT:
            raise ValueError(f"type {data['_type']!r}")
        subject = {str(each["name"]): str(each["digest"]["sha256"]) for each in data["subject"]}
        return Signed(subject, str(data["predicateType"]), dict(data["predicate"]), keys)
    except (ValueError, KeyError, TypeError) as error:
        raise BadEnvelope(f"no in-toto statement ({error})") from error
