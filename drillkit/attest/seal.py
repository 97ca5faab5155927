"""Entering a run into its chain when it starts, and sealing it when its reports are written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.attest import chain
from drillkit.attest.manifest import ENVELOPES, manifest_of, write_manifest
from drillkit.journal.file import read
from drillkit.journal.files import read_file, write_file
from drillkit.journal.runs import JOURNAL
from drillkit.judge import judge
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.json_text import load_json
from drillkit.model.records import History, RunOpened

if TYPE_CHECKING:
    from securesystemslib.signer import Signer


@dataclass(frozen=True, slots=True)
class Sealed:
    """A run that has been sealed."""

    entry: chain.Entry
    signed_by: str
    """Id of the key, or '' where nobody signed."""


def enter(folder: Path, at: float) -> chain.Entry:
    """Enter a run that is about to begin into its chain; its journal holds record 1.

    From now on a run that is removed leaves a gap that shows. Raises OSError, ChainBroken.
    """
    first = _first_line(folder / JOURNAL)
    opened = _opened(read(folder / JOURNAL), folder)
    file = chain.chain_file(folder.parent.parent, opened.drill_name, opened.target_name)
    return chain.append(file, "started", opened.run, first, at)


def is_entered(folder: Path, history: History) -> bool:
    """Whether a run's start stands in the chain of the folder of reports that it lies in.

    `history`: of its journal. Raises OSError, ChainBroken, UsageError.
    """
    opened = _opened(history, folder)
    file = chain.chain_file(folder.parent.parent, opened.drill_name, opened.target_name)
    return any(entry.run == opened.run for entry in chain.read(file))


def seal(
    folder: Path, at: float, signer: Signer | None = None, history: History | None = None
) -> Sealed:
    """Write a run's manifest, sign it and enter it into the chain; nothing in the folder may change
    afterwards without showing.

    A run that was sealed before is sealed again: both lines stay in the chain. What has not
    changed is not entered twice. `history`: of its journal, where that has been read. Raises
    OSError, ChainBroken, JournalDamaged, UsageError, NotSigned.
    """
    if history is None:
        history = read(folder / JOURNAL)
    opened = _opened(history, folder)
    manifest = manifest_of(folder, opened.run, opened.drill_name, opened.target_name)
    digest = write_manifest(folder, manifest)
    file = chain.chain_file(folder.parent.parent, opened.drill_name, opened.target_name)
    entry = _sealed_already(file, opened.run, digest)
    if entry is None:
        entry = chain.append(file, "sealed", opened.run, digest, at)
    if signer is None:
        _forget_stale(folder, digest)
        return Sealed(entry, "")
    from drillkit.attest.envelope import sign
    from drillkit.attest.statement import statements

    payloads = statements(manifest, digest, history, opened, judge(history), entry.seq)
    lines = b"".join(sign(payload, signer) + b"\n" for payload in payloads)
    write_file(folder / ENVELOPES, lines, durable=True)
    return Sealed(entry, signer.public_key.keyid)


def _sealed_already(file: Path, run: str, digest: str) -> chain.Entry | None:
    entries = chain.read(file)
    sealed = [entry for entry in entries if entry.run == run and entry.event == "sealed"]
    return sealed[-1] if sealed and sealed[-1].digest == digest else None


def _forget_stale(folder: Path, digest: str) -> None:
    """Signatures over an earlier manifest say nothing of this one: they are removed."""
    path = folder / ENVELOPES
    if path.is_file() and digest.encode() not in _payloads(read_file(path)):
        path.unlink()


def _payloads(content: bytes) -> bytes:
    import base64

    found = b""
    for line in content.splitlines():
        try:
            found += base64.b64decode(load_json(line)["payload"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _first_line(journal: Path) -> str:
    with journal.open("rb") as file:
        return hashlib.sha256(file.readline().rstrip(b"\n")).hexdigest()


def _opened(history: History, folder: Path) -> RunOpened:
    for record in history:
        if isinstance(record.entry, RunOpened):
            return record.entry
    raise UsageError(f"{folder}: the run ended before it opened, so there is nothing to seal")
