"""Is everything that was sealed still there, as it was, and did it come from whom it should?

Everything is looked at and every problem is told; nothing stops at the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from drillkit.attest import chain
from drillkit.attest.chain import ChainBroken, Entry, Head
from drillkit.attest.envelope import BadEnvelope, Signed, verify
from drillkit.attest.manifest import (
    ENVELOPES,
    MANIFEST,
    REVIEWS,
    Manifest,
    NoManifest,
    differences,
    read_manifest,
)
from drillkit.attest.review import Review, read_reviews
from drillkit.attest.statement import DRILL_RESULT, TEST_RESULT
from drillkit.journal.file import JournalDamaged, read
from drillkit.journal.files import read_file
from drillkit.journal.runs import JOURNAL
from drillkit.judge import judge
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json
from drillkit.model.records import History, RunOpened

if TYPE_CHECKING:
    from securesystemslib.signer import Key

Kind: TypeAlias = Literal[
    "journal",
    "file",
    "manifest",
    "signature",
    "unsigned",
    "review",
    "chain",
    "removed",
    "date",
    "verdict",
]
APART_S = 600.0
"""Between a journal's first record and the run's line in the chain; more is a run of another
time.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was sealed."""

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of looking."""

    runs: int
    problems: tuple[Problem, ...]
    signed_by: frozenset[str] = frozenset()
    """Ids of the pinned keys whose signatures hold."""
    unsigned: tuple[str, ...] = ()
    """Runs that nobody signed; a problem only where keys are given."""
    heads: tuple[Head, ...] = ()
    """Ends of the chains that were looked at."""
    reviews: tuple[tuple[str, Review], ...] = ()
    """(run, what was said of it) that pinned keys have signed."""

    @property
    def sound(self) -> bool:
        """Nothing was found."""
        return not self.problems


@dataclass(slots=True)
class _Findings:
    keys: Sequence[Key]
    problems: list[Problem] = field(default_factory=list)
    signed_by: set[str] = field(default_factory=set)
    unsigned: list[str] = field(default_factory=list)
    reviews: list[tuple[str, Review]] = field(default_factory=list)

    def say(self, kind: Kind, where: Path | str, what: str) -> None:
        self.problems.append(Problem(kind, str(where), what))


def verify_run(folder: Path, keys: Sequence[Key] = ()) -> Checked:
    """Look at one run: its journal, its files, its signature and its lines in the chain."""
    look = _Findings(keys)
    seen = _look_at_run(folder, look)
    heads: tuple[Head, ...] = ()
    if seen is not None:
        entries = _entries(chain.chain_file(folder.parent.parent, seen.drill, seen.target), look)
        if entries is not None:
            _look_at_lines(seen, entries, look)
            head = chain.head_of(seen.drill, seen.target, entries)
            heads = (head,) if head else ()
    return _checked(1, look, heads)


def verify_all(reports: Path, keys: Sequence[Key] = (), published: Sequence[Head] = ()) -> Checked:
    """Look at a whole folder of reports: every run, every chain, and published heads of chains."""
    look = _Findings(keys)
    runs = [
        seen
        for journal in sorted(reports.glob(f"*/*/{JOURNAL}"))
        if not journal.parent.is_symlink() and (seen := _look_at_run(journal.parent, look))
    ]
    heads: list[Head] = []
    known: set[str] = set()
    for file in chain.chains(reports):
        entries = _entries(file, look)
        if entries is None:
            continue
        mine = [run for run in runs if chain.chain_file(reports, run.drill, run.target) == file]
        for run in mine:
            _look_at_lines(run, entries, look)
        there = {run.name for run in mine}
        known |= there
        _look_for_removed(file, entries, there, look)
        if head := chain.head_of(file.stem, file.parent.name, entries):
            heads.append(head)
        _compare_with_published(reports, file, entries, published, look)
    for run in runs:
        if run.name not in known:
            look.say("chain", run.folder, "it is in no chain: its start was never entered")
    for head in published:
        if not chain.chain_file(reports, head.drill, head.target).is_file():
            look.say(
                "removed", f"{head.target}/{head.drill}", "its chain was published and is gone"
            )
    return _checked(len(runs), look, tuple(heads))


def _checked(runs: int, look: _Findings, heads: tuple[Head, ...]) -> Checked:
    return Checked(
        runs,
        tuple(look.problems),
        frozenset(look.signed_by),
        tuple(look.unsigned),
        heads,
        tuple(look.reviews),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A run as its folder shows it."""

    folder: Path
    name: str
    drill: str
    target: str
    opened_at: float
    first_line: str
    """SHA-256 of the journal's first line."""
    manifest_sha256: str
    """'': it has none that can be read."""
    signed_seqs: frozenset[Any] = frozenset()
    """Lines of the chain that pinned keys signed it for."""


def _look_at_run(folder: Path, look: _Findings) -> _Seen | None:
    try:
        history = read(folder / JOURNAL)
        content = read_file(folder / JOURNAL)
    except (OSError, JournalDamaged) as error:
        look.say("journal", folder, str(error))
        return None
    opened = next((r for r in history if isinstance(r.entry, RunOpened)), None)
    if opened is None or not isinstance(opened.entry, RunOpened):
        if (folder / MANIFEST).exists():
            look.say("journal", folder, "it was sealed, and its journal has no first record")
        return None  # it ended before it opened: it touched nothing, and there is nothing to prove
    digest, seqs = _look_at_manifest(folder, opened.entry, look)
    seen = _Seen(
        folder,
        opened.entry.run,
        opened.entry.drill_name,
        opened.entry.target_name,
        opened.at,
        hashlib.sha256(content.partition(b"\n")[0]).hexdigest(),
        digest,
        seqs,
    )
    if folder.name != seen.name:
        look.say("file", folder, f"the journal in it is of run {seen.name}")
    _look_at_verdict(folder, history, look)
    return seen


def _look_at_manifest(
    folder: Path, opened: RunOpened, look: _Findings
) -> tuple[str, frozenset[Any]]:
    """SHA-256 of its bytes, and the lines of the chain that it was signed for."""
    try:
        manifest, digest = read_manifest(folder)
    except NoManifest as error:
        look.say("manifest", folder, str(error))
        return "", frozenset()
    if (manifest.run, manifest.drill, manifest.target) != (
        opened.run,
        opened.drill_name,
        opened.target_name,
    ):
        look.say("manifest", folder, f"its manifest is of run {manifest.run} of {manifest.drill}")
    for what in differences(folder, manifest):
        look.say("file", folder, what)
    return digest, _look_at_signature(folder, manifest, digest, look)


def _look_at_signature(
    folder: Path, manifest: Manifest, digest: str, look: _Findings
) -> frozenset[Any]:
    path = folder / ENVELOPES
    if not path.is_file():
        look.unsigned.append(manifest.run)
        if look.keys:
            look.say("unsigned", folder, f"nobody signed it: there is no {ENVELOPES}")
        return frozenset()
    if not look.keys:
        return frozenset()
    content = read_file(path)
    if not content.endswith(b"\n"):
        look.say("signature", path, "its last line is torn")
    expected = {MANIFEST: digest, **{name: file.sha256 for name, file in manifest.files.items()}}
    kinds, seqs = [], set()
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            signed = verify(line, look.keys)
        except BadEnvelope as error:
            look.say("signature", f"{path}:{number}", str(error))
            continue
        kinds.append(signed.kind)
        if signed.kind == DRILL_RESULT:
            seqs.add(signed.predicate.get("chain", {}).get("seq"))
        _compare_with_signed(f"{path}:{number}", signed, expected, manifest.run, look)
    if kinds != [TEST_RESULT, DRILL_RESULT]:
        what = "expected two signed statements, of the test and then of the drill"
        look.say("signature", path, what)
    return frozenset(seqs)


def _compare_with_signed(
    where: str, signed: Signed, expected: dict[str, str], run: str, look: _Findings
) -> None:
    look.signed_by.update(signed.keys)
    for name in sorted(expected.keys() | signed.subject.keys()):
        if expected.get(name) != signed.subject.get(name):
            look.say("signature", where, f"what was signed of {name} is not what is there")
    if signed.kind == DRILL_RESULT and signed.predicate.get("run") != run:
        look.say("signature", where, f"it was signed for run {signed.predicate.get('run')}")


def _look_at_verdict(folder: Path, history: History, look: _Findings) -> None:
    """Does the verdict that people read follow from the journal?"""
    path = folder / "verdict.json"
    try:
        written = load_json(read_file(path))
        stands = (written["holds"], written["exit_code"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # missing or changed: the manifest tells
    verdict = judge(history)
    if stands != (str(verdict.holds), verdict.exit_code):
        look.say(
            "verdict",
            path,
            f"it says {stands[0]} (exit {stands[1]}); this version judges the journal as "
            f"{verdict.holds} (exit {verdict.exit_code})",
        )


def _entries(file: Path, look: _Findings) -> tuple[Entry, ...] | None:
    try:
        return chain.read(file)
    except ChainBroken as error:
        look.say("chain", file, str(error))
        return None


def _look_at_lines(seen: _Seen, entries: tuple[Entry, ...], look: _Findings) -> None:
    mine = [entry for entry in entries if entry.run == seen.name]
    started = [entry for entry in mine if entry.event == "started"]
    sealed = [entry for entry in mine if entry.event == "sealed"]
    if not started:
        look.say("chain", seen.folder, "its start was never entered into the chain")
    elif len(started) > 1:
        look.say("chain", seen.folder, "its start stands in the chain more than once")
    else:
        _look_at_start(seen, started[0], look)
    if not sealed:
        look.say("chain", seen.folder, "it was never sealed: did it end, or was its end removed?")
    elif sealed[-1].digest != seen.manifest_sha256:
        look.say("manifest", seen.folder, "its manifest is not the one that the chain holds")
    _look_at_reviews(seen, mine, look)
    if seen.signed_seqs - {entry.seq for entry in sealed}:
        look.say("signature", seen.folder, "it was signed for another line of the chain")


def _look_at_reviews(seen: _Seen, mine: list[Entry], look: _Findings) -> None:
    """Each line of a review is in the chain, and each that the chain holds is there."""
    path = seen.folder / REVIEWS
    lines = read_file(path).split(b"\n")[:-1] if path.is_file() else []
    there = [hashlib.sha256(line).hexdigest() for line in lines]
    entered = [entry.digest for entry in mine if entry.event == "reviewed"]
    for number, digest in enumerate(there, 1):
        if digest not in entered:
            look.say("review", f"{path}:{number}", "the chain does not hold this review")
    if missing := len(set(entered) - set(there)):
        look.say("review", seen.folder, f"{missing} that the chain holds is not there as it was")
    if not look.keys or not lines:
        return
    reviews, wrong = read_reviews(seen.folder, look.keys)
    for why in wrong:
        look.say("review", seen.folder, why)
    for each in reviews:
        look.signed_by.add(each.key)
        look.reviews.append((seen.name, each))
        if each.manifest_sha256 != seen.manifest_sha256:
            look.say("review", seen.folder, f"what {each.by} reviewed is not what is there now")


def _look_at_start(seen: _Seen, started: Entry, look: _Findings) -> None:
    if started.digest != seen.first_line:
        look.say("journal", seen.folder, "its journal begins otherwise than the chain holds")
    apart_s = started.at - seen.opened_at
    if abs(apart_s) > APART_S:
        look.say(
            "date",
            seen.folder,
            f"its journal and its line in the chain are {abs(apart_s):,.0f} s apart: one of them "
            "is dated otherwise than it was written",
        )


def _look_for_removed(
    file: Path, entries: tuple[Entry, ...], there: set[str], look: _Findings
) -> None:
    for run in dict.fromkeys(entry.run for entry in entries):
        if run not in there:
            ends = [entry for entry in entries if entry.run == run and entry.event == "sealed"]
            end = "was sealed" if ends else "never ended"
            look.say("removed", file, f"run {run} was started, {end}, and is not here any more")


def _compare_with_published(
    reports: Path,
    file: Path,
    entries: tuple[Entry, ...],
    published: Sequence[Head],
    look: _Findings,
) -> None:
    for head in published:
        if chain.chain_file(reports, head.drill, head.target) != file:
            continue
        if head.seq > len(entries):
            look.say(
                "removed",
                file,
                f"it ends at line {len(entries)}; published was line {head.seq}: its end was cut",
            )
        elif entries[head.seq - 1].sha256 != head.sha256:
            look.say("chain", file, f"line {head.seq} is not the one that was published")
