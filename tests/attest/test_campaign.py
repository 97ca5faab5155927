"""One campaign against a folder and against a bucket: whatever is done to what proves is found, and
named for what it is.
"""

from __future__ import annotations

import functools
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from drillkit.attest import chain
from drillkit.attest.chain import ChainBroken
from drillkit.attest.envelope import BadEnvelope, verify
from drillkit.attest.heads import read_heads
from drillkit.attest.keys import generate, public_key
from drillkit.attest.manifest import ENVELOPES, MANIFEST, differences, read_manifest
from drillkit.attest.publication import place_of
from drillkit.attest.verify import Checked, verify_all, verify_run
from drillkit.clients.bucket import BucketUrl, bucket_of, copy_of
from drillkit.clock import SystemClock
from drillkit.journal.claim import RunNote
from drillkit.journal.copy import LocalCopy
from drillkit.journal.runs import JOURNAL
from tests.attest.conftest import Archive
from tests.bucket import BucketServer, _bucket_server, bucket

__all__ = ["_bucket_server", "bucket"]
CHAIN = "chain/dev/pod-delete.jsonl"


class Place(Protocol):
    """Where runs are kept, by keys such as `pod-delete/RUN/report.md`."""

    def held(self) -> list[str]: ...

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, content: bytes) -> None: ...

    def delete(self, key: str) -> None: ...

    def verify(self) -> Checked: ...


@dataclass
class InFolder:
    """A folder of reports."""

    archive: Archive

    def held(self) -> list[str]:
        root = self.archive.reports
        return sorted(
            p.relative_to(root).as_posix()
            for p in root.rglob("*")
            if p.is_file() and "latest" not in p.parts
        )

    def read(self, key: str) -> bytes:
        return (self.archive.reports / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        path = self.archive.reports / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def delete(self, key: str) -> None:
        path = self.archive.reports / key
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def verify(self) -> Checked:
        return self.archive.verify()


@dataclass
class InBucket:
    """The same in a bucket, looked at from machines of its own: one that knows nothing yet, and
    one that has seen it as it was.
    """

    server: BucketServer
    archive: Archive
    monkeypatch: pytest.MonkeyPatch
    machines: Iterator[Path]
    seen: bool = False
    """Whether a machine has looked at it as it was."""

    def held(self) -> list[str]:
        found = (key.removeprefix("drills/") for key in self.server.everything())
        return sorted(
            key.replace("journal/0000000001.jsonl", JOURNAL) for key in found if key[0] != "."
        )

    def read(self, key: str) -> bytes:
        found = self.s3.get_object(Bucket=self.server.bucket, Key=self._key(key))
        return bytes(found["Body"].read())

    def write(self, key: str, content: bytes) -> None:
        where = {"Bucket": self.server.bucket, "Key": self._key(key)}
        self.s3.put_object(**where, Body=content)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.server.bucket, Key=self._key(key))

    @functools.cached_property
    def s3(self) -> Any:
        return self.server.client()

    def _key(self, key: str) -> str:
        return f"drills/{key.replace(JOURNAL, 'journal/0000000001.jsonl')}"

    def fill(self) -> None:
        """Put there what lies in the folder."""
        inside = InFolder(self.archive)
        for key in inside.held():
            self.write(key, inside.read(key))
        for folder in runs(self):
            note = RunNote(folder, "pod-delete", "dev", "me", open=False)
            self.write(note.key, note.encoded())

    def verify(self) -> Checked:
        known = self._verify(self.known)
        if not self.seen:
            self.seen = True
            return known
        fresh = self._verify(next(self.machines))
        assert [p.kind for p in fresh.problems] == [p.kind for p in known.problems]
        return known

    @property
    def known(self) -> Path:
        return self.archive.reports.parent / "known"

    def _verify(self, home: Path) -> Checked:
        self.monkeypatch.setenv("DRILLKIT_HOME", str(home))
        reports = copy_of(BucketUrl.parse(self.server.url))
        store = bucket_of(reports)
        assert store is not None
        LocalCopy(reports, store, SystemClock()).fetch_all_files()
        pinned = [public_key(self.archive.key.with_suffix(".pub"))]
        return verify_all(reports, pinned, read_heads(place_of(str(self.archive.heads)), "heads"))


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, archive: Archive) -> Place:
    """Three sealed, signed runs whose chain was published."""
    if request.param == "folder":
        return InFolder(archive)
    server: BucketServer = request.getfixturevalue("bucket")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    machines = (archive.reports.parent / f"machine-{n}" for n in itertools.count())
    found = InBucket(server, archive, monkeypatch, machines)
    found.fill()
    return found


def runs(place: Place) -> list[str]:
    """Names of the runs that are there."""
    return sorted({k.split("/")[1] for k in place.held() if k.startswith("pod-delete/")})


def of(place: Place, run: str) -> list[str]:
    return [key for key in place.held() if key.startswith(f"pod-delete/{run}/")]


def lines_of(place: Place, key: str) -> list[bytes]:
    return place.read(key).splitlines(keepends=True)


def remove_run(place: Place, run: str) -> None:
    for key in of(place, run):
        place.delete(key)


def a_run_and_its_note(place: Place) -> None:
    run = runs(place)[1]
    remove_run(place, run)
    if isinstance(place, InBucket):
        place.delete(RunNote(run, "pod-delete", "dev", "me").key)


def without_line(place: Place, key: str, number: int) -> None:
    lines = lines_of(place, key)
    place.write(key, b"".join(lines[:number] + lines[number + 1 :]))


def a_line_of_a_journal(place: Place) -> None:
    without_line(place, f"pod-delete/{runs(place)[1]}/{JOURNAL}", 1)


def the_last_line_of_a_journal(place: Place) -> None:
    without_line(place, f"pod-delete/{runs(place)[1]}/{JOURNAL}", 3)


def a_line_of_the_chain(place: Place) -> None:
    without_line(place, CHAIN, 2)


def a_run(place: Place) -> None:
    remove_run(place, runs(place)[1])


def a_run_with_its_lines(place: Place) -> None:
    """Both lines of the run in the middle, and its folder."""
    remove_run(place, runs(place)[1])
    without_line(place, CHAIN, 2)
    without_line(place, CHAIN, 2)


def two_runs_in_each_others_place(place: Place) -> None:
    first, second, _ = runs(place)
    one, other = (
        {key.rpartition("/")[2]: place.read(key) for key in of(place, run)}
        for run in (first, second)
    )
    for run, content in ((first, other), (second, one)):
        for name, data in content.items():
            place.write(f"pod-delete/{run}/{name}", data)


def signed_by_another_key(place: Place) -> None:
    archive = place.archive  # type: ignore[attr-defined]
    folder = archive.reports.parent / "stranger"
    folder.mkdir()
    generate(folder / "other", folder / "other.pub")
    run = runs(place)[1]
    copy = folder / "reports"
    shutil.copytree(archive.reports, copy)
    stranger = Archive(copy, folder / "other", archive.heads)
    stranger.seal(copy / "pod-delete" / run, 1_900_000_000.0)
    key = f"pod-delete/{run}/{ENVELOPES}"
    place.write(key, (copy / key).read_bytes())


def another_runs_signature(place: Place) -> None:
    first, second, _ = runs(place)
    place.write(f"pod-delete/{second}/{ENVELOPES}", place.read(f"pod-delete/{first}/{ENVELOPES}"))


def a_report_cut_short(place: Place) -> None:
    key = f"pod-delete/{runs(place)[1]}/report.md"
    place.write(key, place.read(key)[:-20])


def a_chain_cut_within_a_line(place: Place) -> None:
    place.write(CHAIN, place.read(CHAIN)[:-20])


def a_line_of_the_chain_again(place: Place) -> None:
    lines = lines_of(place, CHAIN)
    place.write(CHAIN, b"".join([*lines, lines[2]]))


def the_last_run_as_if_it_never_was(place: Place) -> None:
    """Its folder and its lines: the chain is whole, and ends before its published head."""
    remove_run(place, runs(place)[2])
    place.write(CHAIN, b"".join(lines_of(place, CHAIN)[:4]))


def the_whole_chain_written_anew(place: Place) -> None:
    archive = place.archive  # type: ignore[attr-defined]
    file = archive.reports.parent / "anew" / "chain.jsonl"
    file.parent.mkdir()
    for entry in chain.parse(place.read(CHAIN), CHAIN):
        chain.append(file, entry.event, entry.run, entry.digest, entry.at + 1)
    place.write(CHAIN, file.read_bytes())


def everything(place: Place) -> None:
    for key in place.held():
        place.delete(key)


@pytest.mark.parametrize(
    ("tamper", "kind", "said"),
    [
        (a_line_of_a_journal, "journal", "{1}"),
        (the_last_line_of_a_journal, "file", "journal.jsonl was changed"),
        (a_line_of_the_chain, "chain", "line 4 does not follow from the one before it"),
        (a_run, "removed", "run {1} was started, was sealed, and is not here any more"),
        (
            a_run_and_its_note,
            "removed",
            "run {1} was started, was sealed, and is not here any more",
        ),
        (a_run_with_its_lines, "chain", "line 5 does not follow from the one before it"),
        (two_runs_in_each_others_place, "file", "the journal in it is of run {1}"),
        (signed_by_another_key, "signature", "which is none of the keys given"),
        (another_runs_signature, "signature", "it was signed for run {0}"),
        (a_report_cut_short, "file", "report.md was changed"),
        (a_chain_cut_within_a_line, "chain", "its last line is torn"),
        (a_line_of_the_chain_again, "chain", "line 3 does not follow from the one before it"),
        (the_last_run_as_if_it_never_was, "removed", "published was line 6: its end was cut"),
        (the_whole_chain_written_anew, "chain", "line 6 is not the one that was published"),
        (everything, "removed", "its chain was published and is gone"),
    ],
)
def test_what_is_done_to_runs_is_found_and_named(
    place: Place, tamper: Callable[[Place], None], kind: str, said: str
) -> None:
    names = runs(place)
    assert place.verify().problems == (), "nobody has touched it"
    tamper(place)
    problems = place.verify().problems
    text = said.format(*names)
    assert any(p.kind == kind and text in str(p) for p in problems), "\n".join(map(str, problems))


def flips(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each byte with one of its bits turned, which one by chance."""
    chance = random.Random(11)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << chance.randrange(8)
        yield position, bytes(changed)


def middle(archive: Archive) -> Path:
    found = sorted(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())
    return found[1]


@pytest.mark.parametrize("name", [JOURNAL, "verdict.json", "report.md", "junit.xml", "report.html"])
def test_no_byte_of_a_file_changes_without_its_manifest_saying_so(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    """Every one; only the file that is changed is hashed again."""
    manifest, _ = read_manifest(middle(archive))
    alone = tmp_path / "alone"
    alone.mkdir()
    only = type(manifest)(
        manifest.run, manifest.drill, manifest.target, {name: manifest.files[name]}
    )
    whole = (middle(archive) / name).read_bytes()
    (alone / name).write_bytes(whole)
    assert list(differences(alone, only)) == []
    missed = []
    with (alone / name).open("r+b", buffering=0) as file:
        for position, changed in flips(whole):
            file.seek(position)
            file.write(changed[position : position + 1])
            if not any(f"{name} was changed" in text for text in differences(alone, only)):
                missed.append(position)
            file.seek(position)
            file.write(whole[position : position + 1])
    assert missed == []


def test_no_byte_of_the_chain_changes_unseen(archive: Archive) -> None:
    """Where the lines still follow from each other, which only the last can, all is looked at."""
    file = chain.chain_file(archive.reports, "pod-delete", "dev")
    whole, looked = file.read_bytes(), 0
    for position, changed in flips(whole):
        try:
            chain.parse(changed, "chain")
        except ChainBroken:
            continue
        looked += 1
        file.write_bytes(changed)
        assert not archive.verify().sound, position
    assert looked < len(whole.splitlines()[-1])
    file.write_bytes(whole)
    assert archive.verify().sound


def test_no_byte_of_what_was_signed_or_of_its_signature_changes_unseen(archive: Archive) -> None:
    keys = [public_key(archive.key.with_suffix(".pub"))]
    folder, looked = middle(archive), 0
    whole = (folder / ENVELOPES).read_bytes()
    for position, changed in flips(whole):
        lines = changed.split(b"\n")
        try:
            if len(lines) == 3:
                for line in lines[:2]:
                    verify(line, keys)
        except BadEnvelope:
            continue
        looked += 1
        (folder / ENVELOPES).write_bytes(changed)
        assert not verify_run(folder, keys).sound, position
    assert looked < len(whole) / 50, "a line more, or less"
    (folder / ENVELOPES).write_bytes(whole)
    assert verify_run(folder, keys).sound


@pytest.mark.slow
def test_no_byte_of_a_manifest_changes_without_the_chain_and_the_signature_saying_so(
    archive: Archive,
) -> None:
    keys = [public_key(archive.key.with_suffix(".pub"))]
    folder = middle(archive)
    whole = (folder / MANIFEST).read_bytes()
    for position, changed in flips(whole):
        if position % 7 and position > 100:
            continue
        (folder / MANIFEST).write_bytes(changed)
        assert {"manifest", "signature"} & {p.kind for p in verify_run(folder, keys).problems}
    (folder / MANIFEST).write_bytes(whole)
    assert verify_run(folder, keys).sound
