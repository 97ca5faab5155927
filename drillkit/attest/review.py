"""What a reviewer says of a sealed run, signed with the reviewer's own key.

A review is never edited: a correction is another one. Each stands as a line beside the run and, by
its SHA-256, in the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.attest import chain
from drillkit.attest.envelope import BadEnvelope, sign, verify
from drillkit.attest.manifest import MANIFEST, REVIEWS, read_manifest
from drillkit.attest.statement import STATEMENT
from drillkit.journal.files import write_file
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

REVIEW = "https://drillkit.dev/attestation/review/v0.1"


@dataclass(frozen=True, slots=True)
class Review:
    """One statement about a run."""

    by: str
    at: str
    """ISO 8601, UTC, as the reviewer's machine had it."""
    says: str
    accepted: bool
    key: str
    """Id of the key that signed it."""
    manifest_sha256: str
    """What was reviewed."""
    line_sha256: str
    """What the chain holds of it."""


def review(
    folder: Path, by: str, says: str, *, accepted: bool, at: float, signer: Signer
) -> chain.Entry:
    """Add a statement about a sealed run. Raises NoManifest, ChainBroken, OSError, UsageError."""
    manifest, digest = read_manifest(folder)
    file = chain.chain_file(folder.parent.parent, manifest.drill, manifest.target)
    entries = [entry for entry in chain.read(file) if entry.run == manifest.run]
    sealed = [entry for entry in entries if entry.event == "sealed"]
    if not sealed or sealed[-1].digest != digest:
        raise UsageError(
            f"{folder.name} is not sealed as it is now; see `drillkit verify {folder.name}`"
        )
    predicate = {
        "run": manifest.run,
        "by": by,
        "at": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "says": says,
        "accepted": accepted,
    }
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST, "digest": {"sha256": digest}}],
        "predicateType": REVIEW,
        "predicate": predicate,
    }
    payload = json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()
    line = sign(payload, signer)
    path = folder / REVIEWS
    before = path.read_bytes() if path.is_file() else b""
    write_file(path, before + line + b"\n", durable=True)
    return chain.append(file, "reviewed", manifest.run, hashlib.sha256(line).hexdigest(), at)


def read_reviews(folder: Path, keys: Sequence[Key]) -> tuple[tuple[Review, ...], tuple[str, ...]]:
    """(reviews that one of the keys signed, why the others are none), oldest first."""
    path = folder / REVIEWS
    if not path.is_file():
        return (), ()
    found: list[Review] = []
    wrong: list[str] = []
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        wrong.append(f"{REVIEWS}: its last line is torn")
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            signed = verify(line, keys)
            if signed.kind != REVIEW:
                raise BadEnvelope(f"a statement of another kind: {signed.kind}")
            said = signed.predicate
            found.append(
                Review(
                    str(said["by"]),
                    str(said["at"]),
                    str(said["says"]),
                    said["accepted"] is True,
                    signed.keys[0],
                    signed.subject.get(MANIFEST, ""),
                    hashlib.sha256(line).hexdigest(),
                )
            )
        except (BadEnvelope, KeyError) as error:
            wrong.append(f"{REVIEWS}:{number}: {error}")
    return tuple(found), tuple(wrong)
