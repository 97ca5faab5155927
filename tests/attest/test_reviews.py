"""A reviewer's word: signed, chained, appended, never edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drillkit.attest.keys import generate, public_key, signer_of
from drillkit.attest.review import read_reviews, review
from drillkit.attest.verify import Checked, verify_all
from drillkit.model.errors import UsageError
from tests.attest.conftest import Archive
from tests.conftest import CommandLine


@pytest.fixture
def reviewer(tmp_path: Path) -> Path:
    generate(tmp_path / "reviewer", tmp_path / "reviewer.pub")
    return tmp_path / "reviewer"


def first(archive: Archive) -> Path:
    return min(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())


def say(archive: Archive, key: Path, text: str, *, accepted: bool = True) -> None:
    signer = signer_of(f"file:{key}", lambda _: key.read_text())
    review(first(archive), "Ada", text, accepted=accepted, at=1_800_600_000.0, signer=signer)


def checked(archive: Archive, reviewer: Path) -> Checked:
    keys = [public_key(archive.key.with_suffix(".pub")), public_key(reviewer.with_suffix(".pub"))]
    return verify_all(archive.reports, keys)


def test_a_review_and_its_correction_are_both_kept(archive: Archive, reviewer: Path) -> None:
    say(archive, reviewer, "fine")
    say(archive, reviewer, "not fine: the ledger differs", accepted=False)
    found = checked(archive, reviewer)
    assert found.problems == ()
    assert [(r.says, r.accepted) for _, r in found.reviews] == [
        ("fine", True),
        ("not fine: the ledger differs", False),
    ]


def test_rendering_again_after_a_review_leaves_both_sound(archive: Archive, reviewer: Path) -> None:
    say(archive, reviewer, "fine")
    archive.seal(first(archive), 1_900_000_000.0)
    assert checked(archive, reviewer).sound


def test_an_edited_removed_or_foreign_review_is_found(archive: Archive, reviewer: Path) -> None:
    say(archive, reviewer, "one")
    say(archive, reviewer, "two")
    path = first(archive) / "reviews.intoto.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    edited = json.loads(lines[0])
    edited["payload"] = json.loads(lines[1])["payload"]
    for content in (
        lines[0],
        b"",
        json.dumps(edited, separators=(",", ":")).encode() + b"\n" + lines[1],
        whole + lines[0].replace(b"a", b"b", 1),
        whole[:-4],
    ):
        path.write_bytes(content)
        assert {p.kind for p in checked(archive, reviewer).problems} == {"review"}, content
    path.unlink()
    assert {p.kind for p in checked(archive, reviewer).problems} == {"review"}


def test_a_review_by_an_unknown_key_is_nobodys(archive: Archive, reviewer: Path) -> None:
    say(archive, reviewer, "fine")
    problems = archive.verify().problems
    assert {p.kind for p in problems} == {"review"}
    reviews, wrong = read_reviews(first(archive), [public_key(archive.key.with_suffix(".pub"))])
    assert reviews == ()
    assert "none of the keys given" in wrong[0]


def test_what_was_changed_cannot_be_reviewed(archive: Archive, reviewer: Path) -> None:
    (first(archive) / "manifest.json").unlink()
    from drillkit.attest.manifest import NoManifest

    with pytest.raises(NoManifest):
        say(archive, reviewer, "fine")
    from drillkit.attest.manifest import manifest_of, write_manifest

    (first(archive) / "report.md").write_text("all is well")
    write_manifest(
        first(archive), manifest_of(first(archive), first(archive).name, "pod-delete", "dev")
    )
    with pytest.raises(UsageError, match="not sealed as it is now"):
        say(archive, reviewer, "fine")


@pytest.mark.slow
def test_the_command_reviews_and_verify_shows_it(
    drillkit: CommandLine, archive: Archive, reviewer: Path
) -> None:
    run, out = first(archive).name, ("--out", str(archive.reports))
    said = drillkit(
        "review", run, "--by", "Ada", "--says", "fine", "--key", f"file:{reviewer}", *out
    )
    assert said.code == 0, said.said
    keys = ("--key", str(archive.key.with_suffix(".pub")), "--key", f"{reviewer}.pub")
    shown = drillkit("verify", *keys, *out)
    assert shown.code == 0, shown.said
    assert "accepted by Ada" in shown.out
