"""A redacted copy: nothing that was to go is left, the same name is the same word, and it proves
what it came from.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drillkit.attest.export import (
    ExportRules,
    NotExported,
    export,
    read_rules,
    verify_export,
)
from drillkit.attest.keys import generate, public_key, signer_of
from drillkit.attest.usual_rules import forms, usual_rules
from drillkit.journal.file import Journal
from drillkit.model.codec import from_data
from drillkit.model.drill import Drill
from drillkit.model.errors import UsageError
from drillkit.model.evidence import Alert, Note
from drillkit.model.records import (
    Entry,
    MessageSent,
    ParticipantJoined,
    RunAborted,
    RunClosed,
    RunOpened,
    RunRecovered,
    RunSettled,
    StrangeRecord,
    encode,
)
from drillkit.model.target import KubernetesTarget, PrometheusTarget, Target
from drillkit.report import write_reports
from tests.attest.conftest import DRILL, Archive, Ticks
from tests.conftest import CommandLine
from tests.model.test_records import SAID


def first(archive: Archive) -> Path:
    return min(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())


def exported(archive: Archive, to: Path, rules: ExportRules | None = None) -> Any:
    signer = signer_of(f"file:{archive.key}", lambda _: archive.key.read_text())
    return export(first(archive), to, rules or usual_rules(first(archive)), signer)


def keys(archive: Archive) -> list[Any]:
    return [public_key(archive.key.with_suffix(".pub"))]


def whole(folder: Path) -> str:
    """All that is written there; signatures are chance, and payloads are read."""
    text = "\n".join(p.read_text() for p in sorted(folder.rglob("*")) if p.is_file())
    text = re.sub(r'"sig": ?"[^"]+"', "", text)
    return re.sub(
        r'"payload": ?"([^"]+)"', lambda found: b64decode(found[1], validate=True).decode(), text
    )


def test_who_and_where_are_gone_and_the_copy_verifies(sealed: Archive, tmp_path: Path) -> None:
    done = exported(sealed, tmp_path / "copy")
    text = whole(tmp_path / "copy")
    assert "me@here" not in text
    assert "sre@example.com" not in text
    assert done.replaced >= 2
    assert "person-1" in text
    assert verify_export(tmp_path / "copy", keys(sealed)) == ()
    assert verify_export(tmp_path / "copy", keys(sealed), first(sealed)) == ()


def test_whoever_took_part_is_gone_too(archive: Archive, tmp_path: Path) -> None:
    folder = archive.reports / "pod-delete" / "20270118-080000-day1"
    folder.mkdir()
    told = {"participants": {"Zoë O'Neil": "operator"}, "informed": ["Support Desk"]}
    journal = Journal(folder / "journal.jsonl", clock=Ticks(1_800_300_000.0))
    opened = RunOpened(
        run=folder.name,
        drill=from_data(Drill, {**DRILL, "audit": told}),
        target=Target(name="dev", prometheus=PrometheusTarget(url="https://metrics.acme.example")),
        digests={"approval by Ada": "0" * 64},
    )
    journal.append(opened)
    journal.append(ParticipantJoined("Jan", "observer"))
    journal.append(Note("maria", "in January Jan looks", "action-item", "ops-team"))
    journal.append(MessageSent("started", "slack (drillkit.yaml)", "#acme-drills"))
    journal.append(RunClosed())
    journal.append(
        MessageSent("met", "email (drillkit.yaml)", "zora@x.test, bob@x.test", "no answer")
    )
    journal.close()
    write_reports(folder)
    archive.seal(folder, 1_800_300_100.0)
    signer = signer_of(f"file:{archive.key}", lambda _: archive.key.read_text())
    export(folder, tmp_path / "copy", usual_rules(folder), signer)
    text = whole(tmp_path / "copy")
    assert "in January person-" in text
    people = ("Zo", "Neil", "Support Desk", "Ada", "Jan ", "maria", "ops-team", "zora", "bob")
    for name in (*people, "acme", "x.test"):
        assert name not in text


PRIVATE = {
    "account": "arn:aws:rds:eu-west-1:999988887777:db:orders",
    "host": "https://grafana.acme.example/d/1",
    "database": "orders.c9akciq32.eu-west-1.rds.amazonaws.com:5432",
    "node": "node/pool-1-acme-a1b2",
    "machine": "ip-10-7-1-5.eu-west-1.compute.internal",
    "service": "web.shop.svc.cluster.local",
    "bucket": "s3://acme-backups/velero",
    "address": "10.7.1.5:9100",
    "IPv6": "[2001:db8::7:15]:443, fd00:0:0:0:0:0:7:16 and fe80::7:17%eth0",
    "e-mail": "zora@x.test",
    "home": "/home/zora/.kube/config",
}
PIECES = (
    *("999988887777", "acme", "c9akciq32", "a1b2", "10-7-1-5", "svc.cluster", "10.7.1.5", "7:15"),
    *("7:16", "7:17", "x.test", "zora"),
)


def marked(data: Any, text: str) -> Any:
    """Data with a text behind each text."""
    if isinstance(data, dict):
        return {key: marked(value, text) for key, value in data.items()}
    if isinstance(data, list):
        return [marked(value, text) for value in data]
    return f"{data} {text}" if isinstance(data, str) else data


def copied(archive: Archive, entries: Sequence[Entry], to: Path) -> str:
    """All that a copy of a run with these records says."""
    folder = archive.reports / "pod-delete" / "20270118-080000-day2"
    folder.mkdir()
    journal = Journal(folder / "journal.jsonl", clock=Ticks(1_800_300_000.0))
    for entry in entries:
        journal.append(entry)
    journal.append(RunClosed())
    journal.close()
    archive.seal(folder, 1_800_300_100.0)
    signer = signer_of(f"file:{archive.key}", lambda _: archive.key.read_text())
    export(folder, to, usual_rules(folder), signer)
    return whole(to)


def test_no_field_of_any_record_keeps_a_place_or_an_address(
    archive: Archive, tmp_path: Path
) -> None:
    private = " ".join(PRIVATE.values())
    entries: list[Entry] = [RunOpened(run="20270118-080000-day2", drill=from_data(Drill, DRILL))]
    entries += [StrangeRecord(kind, marked(dict(data), private), "") for kind, data in written()]
    text = copied(archive, entries, tmp_path / "copy")
    assert [piece for piece in PIECES if piece in text.lower()] == []
    assert len(entries) > 30


def written() -> Iterator[tuple[str, Any]]:
    """One of each sort of record: those that tests of records know, and of the stored runs."""
    yield from map(encode, SAID)
    seen = set()
    for path in sorted((Path(__file__).parents[1] / "golden" / "stored").glob("*/journal.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            sort = (record["kind"], record["data"].get("type"))
            if sort not in seen:
                seen.add(sort)
                yield record["kind"], record["data"]


@pytest.mark.parametrize("text", ["at 13:45:59", "00:11:22:33:44:55", "a std::x", "1:2:3", "::"])
def test_what_only_looks_like_an_address_stays(text: str) -> None:
    for rule in forms():
        for found in rule.pattern.finditer(text):
            assert rule.fits is not None
            assert not rule.fits(found[0])


CONTEXT = KubernetesTarget(context="gke_zora-1")
AT = datetime(2027, 1, 18, 8, tzinfo=UTC)


def drill_with(**more: Any) -> Drill:
    return from_data(Drill, {**DRILL, **more})


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (RunRecovered("zora@bastion-7", "boot"), "zora"),
        (RunRecovered("zora@bastion-7", "boot"), "bastion-7"),
        (RunSettled("zora@bastion-7", "by hand"), "zora"),
        (RunAborted("operator", "Zora Q asked for it: customers call"), "Zora Q"),
        (Alert("Down", {"instance": "rack7:9100"}, "firing", AT), "rack7"),
        (RunOpened(operator="zora@bastion-7"), "zora"),
        (RunOpened(drill=drill_with(gameday={"roles": {"scribe": ["Zora"]}})), "Zora"),
        (RunOpened(drill=drill_with(audit={"approved": "Zora, CAB"})), "Zora"),
        (RunOpened(target=Target(name="t", approvers={"Zora": "key"})), "Zora"),
        (RunOpened(target=Target(name="t", kubernetes=CONTEXT)), "gke_zora-1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Entry) else value,
)
def test_who_and_what_a_field_names_is_gone_wherever_else_it_stands(
    archive: Archive, tmp_path: Path, entry: Entry, name: str
) -> None:
    first = [] if isinstance(entry, RunOpened) else [RunOpened(run="20270118-080000-day2")]
    again = Note("drillkit", f"then {name} came", "observation")
    text = copied(archive, [*first, entry, again], tmp_path / "copy")
    assert name not in text
    assert re.search(r"then \w+-\d+ came", text)


def test_the_same_name_is_the_same_word_in_every_file(sealed: Archive, tmp_path: Path) -> None:
    rules = read_rules("replace: [{pattern: 'kill|wait', as: thing}]", "r.yaml")
    exported(sealed, tmp_path / "copy", rules)
    words = {
        name: set(re.findall(r"thing-\d", (tmp_path / "copy" / name).read_text()))
        for name in ("journal.jsonl", "report.md", "verdict.json")
    }
    assert all({"thing-1", "thing-2"} >= found and found for found in words.values())


def test_the_copy_stays_readable_by_machines(sealed: Archive, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "copy")
    for line in (tmp_path / "copy" / "journal.jsonl").read_text().splitlines():
        json.loads(line)
    json.loads((tmp_path / "copy" / "verdict.json").read_text())


@pytest.mark.parametrize("name", ["journal.jsonl", "report.html", "redaction.intoto.json"])
def test_every_changed_byte_of_a_copy_is_found(sealed: Archive, tmp_path: Path, name: str) -> None:
    exported(sealed, tmp_path / "copy")
    path = tmp_path / "copy" / name
    content = path.read_bytes()
    for position in range(0, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        assert verify_export(tmp_path / "copy", keys(sealed)) != (), position


def test_a_file_added_or_removed_is_found(sealed: Archive, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "copy")
    (tmp_path / "copy" / "more.txt").write_text("more")
    assert verify_export(tmp_path / "copy", keys(sealed)) == (
        "more.txt was added after the export",
    )
    (tmp_path / "copy" / "report.md").unlink()
    assert "report.md is missing" in verify_export(tmp_path / "copy", keys(sealed))


def test_a_copy_signed_by_somebody_else_is_none(sealed: Archive, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "copy")
    generate(tmp_path / "k", tmp_path / "k.pub")
    (wrong,) = verify_export(tmp_path / "copy", [public_key(tmp_path / "k.pub")])
    assert "none of the keys given" in wrong


def test_it_is_told_apart_from_a_copy_of_another_run(sealed: Archive, tmp_path: Path) -> None:
    exported(sealed, tmp_path / "copy")
    others = sorted(p for p in (sealed.reports / "pod-delete").iterdir() if not p.is_symlink())
    wrong = verify_export(tmp_path / "copy", keys(sealed), others[1])
    assert any("no copy of" in text for text in wrong)


def test_what_is_no_text_is_left_out_and_said(archive: Archive, tmp_path: Path) -> None:
    (first(archive) / "attachments").mkdir()
    (first(archive) / "attachments" / "dump").write_bytes(b"\xff\x00\x80")
    archive.seal(first(archive), 1_900_000_000.0)
    assert exported(archive, tmp_path / "copy").dropped == ("attachments/dump",)
    assert not (tmp_path / "copy" / "attachments").exists()


def test_a_run_that_was_changed_is_not_exported(archive: Archive, tmp_path: Path) -> None:
    (first(archive) / "report.md").write_text("all is well")
    with pytest.raises(NotExported, match=r"report\.md was changed"):
        exported(archive, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("replace: [{text: a}]", "'as'"),
        ("replace: [{text: a, pattern: b, as: c}]", "exactly one of"),
        ("replace: [{pattern: 'x*', as: c}]", "matches nothing at all"),
        ("replace: [{pattern: '(', as: c}]", "expected `replace`"),
        ("replace: [{text: a, as: A}]", "lower-case"),
        ("replac: []", "unknown keys: replac"),
        ("- a", "expected `replace`"),
    ],
)
def test_rules_that_say_nothing_are_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        read_rules(text, "r.yaml")


def test_a_rule_that_breaks_a_file_is_refused(sealed: Archive, tmp_path: Path) -> None:
    rules = read_rules("""replace: [{pattern: '"kind":"step.started"', as: x}]""", "r.yaml")
    with pytest.raises(UsageError, match="matches too much"):
        exported(sealed, tmp_path / "copy", rules)
    assert not (tmp_path / "copy").exists()


@pytest.mark.slow
def test_what_is_kept_with_a_run_names_nobody_either(archive: Archive, tmp_path: Path) -> None:
    folder = first(archive)
    (folder / "attachments").mkdir()
    described = (
        "Name:           web-1\nNode:           pool-1-acme-a1b2\n\n"
        "web-1   1/1   Running   10.7.1.5   pool-1-acme-a1b2\n"
        "orders.acme.internal refused zora@x.test at https://shop.acme.example/cart\n"
    )
    (folder / "attachments" / "diagnostics-describe.txt").write_text(described)
    for name in ("manifest.json", "evidence.intoto.jsonl"):
        (folder / name).unlink()
    archive.seal(folder, 1_800_300_100.0)
    exported(archive, tmp_path / "copy")
    text = (tmp_path / "copy" / "attachments" / "diagnostics-describe.txt").read_text()
    assert text.startswith("Name:           web-1\nNode:           host-")
    for piece in ("acme", "a1b2", "10.7.1.5", "zora", "x.test"):
        assert piece not in text


def test_rules_of_ones_own_go_before_the_usual_ones(
    sealed: Archive, tmp_path: Path, drillkit: CommandLine
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("replace: [{text: sre@example.com, as: team}, {text: kill, as: step}]\n")
    copy = tmp_path / "copy"
    arguments = ("--redact", "usual", "--redact", str(rules), "--key", f"file:{sealed.key}")
    assert drillkit("export", str(first(sealed)), str(copy), *arguments).code == 0
    text = whole(copy)
    assert "team-1" in text
    assert "step-1" in text
    assert "me@here" not in text


def test_the_commands_export_and_verify(
    drillkit: CommandLine, sealed: Archive, tmp_path: Path
) -> None:
    run = first(sealed).name
    common = ("--out", str(sealed.reports), "--key", f"file:{sealed.key}")
    ran = drillkit("export", run, "copy", "--redact", "usual", *common)
    assert ran.code == 0, ran.said
    good = drillkit("verify", "copy", "--key", str(sealed.key.with_suffix(".pub")))
    assert good.code == 0, good.said
    assert "a redacted copy, as it was exported" in good.out
    assert drillkit("export", run, "copy", "--redact", "usual", *common).code == 2
    assert drillkit("export", run, "c2", "--redact", "nope.yaml", *common).code == 2
