"""Whatever is changed, removed, moved or put back in a folder of reports is found and named."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from drillkit.attest.chain import Entry, append, chain_file, read
from drillkit.attest.keys import generate
from tests.attest.conftest import Archive


def runs(archive: Archive) -> list[Path]:
    return sorted(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())


def chain_of(archive: Archive) -> Path:
    return chain_file(archive.reports, "pod-delete", "dev")


def kinds(archive: Archive) -> set[str]:
    return {problem.kind for problem in archive.verify().problems}


def test_what_nobody_touched_verifies_with_and_without_a_key(sealed: Archive) -> None:
    checked = sealed.verify()
    assert checked.problems == ()
    assert checked.runs == 3
    assert len(checked.signed_by) == 1
    assert sealed.verify(keys=False).sound


def test_rendering_again_changes_nothing(archive: Archive) -> None:
    from drillkit.report import write_reports

    for folder in runs(archive):
        write_reports(folder)
        archive.seal(folder, 1_900_000_000.0)
    assert archive.verify().sound
    assert len(read(chain_of(archive))) == 6


def test_a_changed_byte_of_what_proves_is_found_by_a_look_at_everything(
    sealed: Archive, tmp_path: Path
) -> None:
    """A sample; `test_campaign` changes every byte, and looks only at what that may hide."""
    archive = sealed.copy(tmp_path)
    folder = runs(archive)[1]
    chosen = random.Random(7)
    files = [chain_of(archive), *(folder / n for n in ("journal.jsonl", "manifest.json"))]
    missed = []
    for path in (*files, folder / "evidence.intoto.jsonl"):
        whole = path.read_bytes()
        for position in chosen.sample(range(len(whole)), 12):
            changed = bytearray(whole)
            changed[position] ^= 1 << chosen.randrange(7)
            path.write_bytes(bytes(changed))
            if archive.verify().sound:
                missed.append((path.name, position, chr(whole[position])))
        path.write_bytes(whole)
    assert missed == []
    assert archive.verify().sound


@pytest.mark.parametrize("name", ["verdict.json", "report.md", "report.html", "junit.xml"])
def test_a_changed_byte_of_a_report_is_named_with_its_file(archive: Archive, name: str) -> None:
    path = runs(archive)[0] / name
    whole = path.read_bytes()
    for position in random.Random(3).sample(range(len(whole)), 12):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        problems = archive.verify().problems
        assert any(p.kind == "file" and f"{name} was changed" in p.what for p in problems)


@pytest.mark.parametrize("name", ["journal.jsonl", "report.md", "verdict.json"])
def test_a_file_cut_short_or_removed_or_added_is_named(archive: Archive, name: str) -> None:
    path = runs(archive)[0] / name
    path.write_bytes(path.read_bytes()[:-20])
    assert not archive.verify().sound
    path.unlink()
    assert not archive.verify().sound
    (runs(archive)[1] / "attachments").mkdir()
    (runs(archive)[1] / "attachments" / "late.txt").write_text("late")
    assert any("late.txt was added" in str(p) for p in archive.verify().problems)


def test_a_removed_run_leaves_a_gap_that_shows(archive: Archive) -> None:
    gone = runs(archive)[1]
    shutil.rmtree(gone)
    problems = archive.verify().problems
    assert [p.kind for p in problems] == ["removed"]
    assert gone.name in problems[0].what


def test_a_run_that_was_killed_and_removed_leaves_one_too(archive: Archive) -> None:
    append(chain_of(archive), "started", "20270120-080000-dead", "0" * 64, 1_800_500_000.0)
    problems = archive.verify().problems
    assert [p.kind for p in problems] == ["removed"]
    assert "never ended" in problems[0].what


def test_lines_of_the_chain_cannot_be_removed_or_reordered(archive: Archive) -> None:
    chain = chain_of(archive)
    lines = chain.read_bytes().splitlines(keepends=True)
    for changed in (
        [lines[0], *lines[2:]],
        [lines[2], lines[3], lines[0], lines[1], *lines[4:]],
        [*lines, lines[-1]],
    ):
        chain.write_bytes(b"".join(changed))
        assert "chain" in kinds(archive)


def test_a_chain_cut_at_its_end_with_its_run_is_shorter_than_its_head(archive: Archive) -> None:
    shutil.rmtree(runs(archive)[2])
    chain = chain_of(archive)
    chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:4]))
    problems = archive.verify().problems
    assert [p.kind for p in problems] == ["removed"]
    assert "published was line 6: its end was cut" in problems[0].what


def test_a_chain_written_anew_is_not_the_one_that_was_published(archive: Archive) -> None:
    chain = chain_of(archive)
    old = read(chain)
    chain.unlink()
    for entry in old:
        append(chain, entry.event, entry.run, entry.digest, entry.at + 1)
    assert any("not the one that was published" in p.what for p in archive.verify().problems)


def test_a_chain_that_is_gone_with_all_its_runs_was_published(archive: Archive) -> None:
    chain_of(archive).unlink()
    shutil.rmtree(archive.reports / "pod-delete")
    assert kinds(archive) == {"removed"}


def test_two_runs_that_changed_places_are_found(archive: Archive) -> None:
    first, second, _ = runs(archive)
    first.rename(first.with_name("aside"))
    second.rename(first)
    first.with_name("aside").rename(second)
    assert {"file"} <= kinds(archive)


def test_a_better_run_cannot_take_the_place_of_a_bad_one(archive: Archive) -> None:
    """Signatures, reports and manifest of another run are of another run."""
    good, bad, _ = runs(archive)
    for file in good.iterdir():
        if file.is_file():
            shutil.copy2(file, bad / file.name)
    assert {"file", "removed"} <= kinds(archive)


def test_a_signature_of_another_key_is_none(archive: Archive, tmp_path: Path) -> None:
    generate(tmp_path / "other", tmp_path / "other.pub")
    import dataclasses

    stranger = dataclasses.replace(archive, key=tmp_path / "other")
    stranger.seal(runs(archive)[0], 1_900_000_000.0)
    problems = archive.verify().problems
    assert {p.kind for p in problems} == {"signature"}
    assert "none of the keys given" in problems[0].what


def test_a_replayed_signature_does_not_fit(archive: Archive) -> None:
    first, second, _ = runs(archive)
    shutil.copy2(first / "evidence.intoto.jsonl", second / "evidence.intoto.jsonl")
    assert kinds(archive) == {"signature"}


def test_signatures_that_changed_places_are_not_as_they_were(archive: Archive) -> None:
    path = runs(archive)[0] / "evidence.intoto.jsonl"
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert kinds(archive) == {"signature"}


def test_a_missing_signature_counts_only_where_one_is_asked_for(archive: Archive) -> None:
    (runs(archive)[0] / "evidence.intoto.jsonl").unlink()
    assert kinds(archive) == {"unsigned"}
    assert archive.verify(keys=False).unsigned == (runs(archive)[0].name,)


def test_a_run_whose_journal_is_dated_otherwise_is_told(archive: Archive) -> None:
    archive.run(9, at=1_800_400_000.0)
    chain = chain_of(archive)
    lines = [e for e in read(chain) if not e.run.startswith("20270115-0809")]
    late = [e for e in read(chain) if e.run.startswith("20270115-0809")]
    chain.unlink()
    for entry in lines:
        append(chain, entry.event, entry.run, entry.digest, entry.at)
    for entry in late:
        append(chain, entry.event, entry.run, entry.digest, entry.at + 86_400)
    assert "date" in kinds(archive)


def test_a_run_that_never_entered_its_start_is_told(archive: Archive) -> None:
    stray = archive.reports / "pod-delete" / "20270116-080000-aaaa"
    shutil.copytree(runs(archive)[0], stray)
    text = (stray / "journal.jsonl").read_text()
    assert text
    assert {"file"} <= kinds(archive)


def test_a_verdict_that_does_not_follow_from_the_journal_is_told(archive: Archive) -> None:
    """Even where everything was sealed and signed anew by whoever holds the key."""
    folder = runs(archive)[0]
    verdict = json.loads((folder / "verdict.json").read_text())
    verdict["holds"], verdict["exit_code"] = "met", 0
    (folder / "verdict.json").write_text(json.dumps(verdict))
    archive.seal(folder, 1_900_000_000.0)
    assert kinds(archive) == {"verdict"}


def test_a_torn_line_of_the_chain_is_cut_by_the_next_writer(archive: Archive) -> None:
    chain = chain_of(archive)
    whole = chain.read_bytes()
    chain.write_bytes(whole + b'{"seq":7,"at":1')
    assert "chain" in kinds(archive)
    append(chain, "started", "20270120-080000-next", "0" * 64, 1_800_500_000.0)
    assert [e.seq for e in read(chain)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_line_is_never_dated_before_the_one_that_it_follows(archive: Archive) -> None:
    chain = chain_of(archive)
    last = read(chain)[-1]
    entry: Entry = append(chain, "started", "20270120-080000-next", "0" * 64, last.at - 5000)
    assert entry.at == last.at


def test_a_head_that_was_rolled_back_is_not_published_over_a_later_one(archive: Archive) -> None:
    from drillkit.attest.heads import write_heads
    from drillkit.attest.publication import place_of
    from drillkit.model.errors import UsageError

    checked = archive.verify()
    earlier = [h.__class__(h.drill, h.target, h.seq - 2, "0" * 64) for h in checked.heads]
    with pytest.raises(UsageError, match="it was cut"):
        write_heads(place_of(str(archive.heads)), earlier, "heads")
