"""A signed word that a plan may be run: bound to the hash of its contents, by a name whose key the
target pins, until a date, for one run.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.attest.envelope import BadEnvelope, sign, verify
from drillkit.attest.statement import STATEMENT
from drillkit.journal.files import make_folder
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

APPROVAL = "https://drillkit.dev/attestation/approval/v0.1"
SUBJECT = "plan"
AHEAD_S = 300.0
"""The approver's clock may be so far ahead of ours."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One word that holds."""

    by: str
    key: str
    """Id of the key."""
    expires: float
    line_sha256: str


def approve(digest: str, by: str, at: float, expires: float, signer: Signer) -> str:
    """A line that approves the plan of that digest. Times are seconds since the epoch."""
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": SUBJECT, "digest": {"sha256": digest}}],
        "predicateType": APPROVAL,
        "predicate": {"by": by, "at": at, "expires": expires, "nonce": secrets.token_hex(16)},
    }
    return sign(json.dumps(statement, separators=(",", ":")).encode(), signer).decode()


def read_approval(line: str, digest: str, keys: Mapping[str, Key], now: float) -> Approval:
    """An approval of the plan of that digest, by one of `keys` (by the approver's name).

    Raises BadEnvelope saying why it is none.
    """
    signed = verify(line.encode(), list(keys.values()))
    if signed.kind != APPROVAL:
        raise BadEnvelope(f"a statement of another kind: {signed.kind}")
    if signed.subject != {SUBJECT: digest}:
        raise BadEnvelope("it approves another plan")
    said = signed.predicate
    by, at, expires = str(said.get("by")), said.get("at"), said.get("expires")
    if by not in keys or keys[by].keyid not in signed.keys:
        raise BadEnvelope(f"it says that it is by {by}, and was signed with somebody else's key")
    if not isinstance(at, int | float) or not isinstance(expires, int | float):
        raise BadEnvelope("it has no dates")
    if at > now + AHEAD_S:
        raise BadEnvelope("it was given in the future: look at the clocks")
    if now >= expires:
        raise BadEnvelope(f"it ended {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC")
    sha256 = hashlib.sha256(line.encode()).hexdigest()
    return Approval(by, keys[by].keyid, float(expires), sha256)


def enough(
    lines: Sequence[str], digest: str, keys: Mapping[str, Key], needed: int, now: float
) -> tuple[Approval, ...]:
    """`needed` approvals of the plan by as many people with as many keys. Raises Refused saying
    what is wrong with each of the others.
    """
    found: dict[str, Approval] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            approval = read_approval(line, digest, keys, now)
        except BadEnvelope as error:
            wrong.append(f"approval {number}: {error}")
        else:
            found.setdefault(approval.key, approval)
    if len(found) >= needed:
        return tuple(found.values())[:needed]
    have = ", ".join(sorted(each.by for each in found.values())) or "nobody"
    raise Refused(
        "; ".join(
            (f"expected {needed} approvals of this plan, found {len(found)} ({have})", *wrong)
        )
        + ". Approve it with: drillkit approve FILE --by NAME --key REFERENCE"
    )


def use_up(approvals: Sequence[Approval], folder: Path, run: str) -> None:
    """Note that approvals were used; each serves one run. Raises Refused for one that was used
    before, OSError.
    """
    make_folder(folder, exist_ok=True)
    for each in approvals:
        used = folder / each.line_sha256
        if used.exists():
            raise Refused(
                f"the approval by {each.by} was used by run {used.read_text().strip()}: each "
                "serves one run; have the plan approved anew"
            )
    for each in approvals:
        try:
            fd = os.open(folder / each.line_sha256, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            raise Refused(f"the approval by {each.by} is being used by another run") from None
        with os.fdopen(fd, "w") as file:
            file.write(f"{run}\n")
            file.flush()
            os.fsync(fd)
