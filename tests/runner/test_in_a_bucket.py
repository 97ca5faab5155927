"""Runs whose journal goes into a bucket: what is there when, and who else can clean up."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from drillkit.cli.group import cli
from drillkit.clients.bucket import Bucket, BucketUrl, bucket_of, copy_of
from drillkit.clients.command import UndoCommand
from drillkit.clock import SystemClock
from drillkit.journal import claim
from drillkit.journal.claim import RunNote, decoded
from drillkit.journal.file import Journal, read
from drillkit.journal.mirror import read_parts
from drillkit.journal.runs import JOURNAL, OpenRun, open_runs, register
from drillkit.model.errors import Refused, UsageError
from drillkit.model.evidence import Note
from drillkit.model.records import RunAborted, RunOpened
from drillkit.model.target import Target
from drillkit.runner.bucket_run import begin, take_over
from tests.bucket import BucketServer, _bucket_server, bucket
from tests.conftest import CommandLine

__all__ = ["_bucket_server", "bucket"]
RUN = "20261129-030000-abcd"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def drillkit_(*arguments: str) -> Result:
    ran = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


def killed(bucket: BucketServer, tmp_path: Path, *, dead: bool = True) -> Path:
    """A run that was killed with the undo of a command open: its folder. Not `dead`: it went
    silent a moment ago, and nobody can say whether it is at work.
    """
    reports = copy_of(BucketUrl.parse(bucket.url))
    folder = reports / "d" / RUN
    folder.mkdir(parents=True)
    register(RUN, folder, "prod", "me")
    ours = begin(reports, RunNote(RUN, "d", "prod", "me"), SystemClock())
    assert ours is not None
    journal = Journal(folder / JOURNAL, mirror=ours.mirror)
    journal.append(RunOpened(run=RUN, target=Target(name="prod"), versions={"drillkit": "0.1"}))
    (tmp_path / "EFFECT").touch()
    undo = ("rm", "-f", str(tmp_path / "EFFECT"))
    journal.plan(UndoCommand("make", undo, str(tmp_path)))
    ours._claim._over.set()
    key = f"drills/{ours._claim.note.key}"
    note = decoded(bucket.read(key))
    words = note.process.split()
    words[2] = "4194304" if dead else words[2]
    stale = replace(note, process=" ".join(words) if dead else "another machine 1 1")
    bucket.client().put_object(Bucket=bucket.bucket, Key=key, Body=stale.encoded())
    return folder


def there(bucket: BucketServer) -> bytes:
    store = bucket_of(copy_of(BucketUrl.parse(bucket.url)))
    assert store is not None
    return read_parts(store, f"d/{RUN}/")


def note_of(bucket: BucketServer) -> RunNote:
    return decoded(bucket.read(f"drills/.runs/d/{RUN}.json"))


def test_another_machine_recovers_what_is_in_the_bucket_and_this_one_learns_of_it(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    folder = killed(bucket, tmp_path)
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "other"))
    ran = drillkit_("recover", bucket.url)
    assert ran.return_value == 0, ran.output
    assert "clean: 1 open undos applied" in ran.output
    assert not (tmp_path / "EFFECT").exists()
    assert not note_of(bucket).open
    assert "no run is open" in drillkit_("recover", bucket.url).output
    assert f"drills/d/{RUN}/report.md" in bucket.everything()
    monkeypatch.setenv("DRILLKIT_HOME", str(home))
    ran = drillkit_("recover")
    assert ran.return_value == 0, ran.output
    assert not list(open_runs())
    assert (folder / JOURNAL).read_bytes() == there(bucket)


def test_a_run_that_may_be_at_work_elsewhere_is_left_alone_until_its_note_is_old(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(bucket, tmp_path, dead=False)
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "other"))
    ran = drillkit_("recover", f"{bucket.url}/d/{RUN}")
    assert ran.return_value == 0
    assert "still running" in ran.output
    assert (tmp_path / "EFFECT").exists()
    monkeypatch.setattr(claim, "STALE_S", -1.0)
    assert drillkit_("recover", f"{bucket.url}/d/{RUN}").return_value == 0
    assert not (tmp_path / "EFFECT").exists()


def test_of_two_who_would_recover_one_may(bucket: BucketServer, tmp_path: Path) -> None:
    folder = killed(bucket, tmp_path)
    run, store = OpenRun(RUN, folder, "prod", "me"), bucket_of(folder.parent.parent)
    assert store is not None
    first = take_over(run, store, SystemClock())
    with pytest.raises(Refused, match=f"process {os.getpid()} is at work on it"):
        take_over(run, store, SystemClock())
    assert first.end("", open_=True) == ""
    assert note_of(bucket).open, "what is left is for whoever comes next"
    assert not note_of(bucket).writer


def test_what_is_open_is_undone_without_the_bucket_which_is_told_later(
    bucket: BucketServer, tmp_path: Path
) -> None:
    folder = killed(bucket, tmp_path)
    bucket.trouble = lambda method, key: "deleted"
    ran = drillkit_("recover")
    assert ran.return_value == 5, ran.output
    assert not (tmp_path / "EFFECT").exists()
    assert "but its bucket could not be told" in ran.output
    assert [run.id for run in open_runs()] == [RUN]
    bucket.trouble = lambda method, key: ""
    ran = drillkit_("recover")
    assert ran.return_value == 0, ran.output
    assert not list(open_runs())
    assert (folder / JOURNAL).read_bytes() == there(bucket)
    assert not note_of(bucket).open


def test_a_machine_whose_journal_was_overruled_believes_the_bucket_and_keeps_its_own(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    folder = killed(bucket, tmp_path)
    local = Journal(folder / JOURNAL)
    local.append(RunAborted("journal", "the bucket went away"))
    local.close()
    mine = (folder / JOURNAL).read_bytes()
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "other"))
    assert drillkit_("recover", bucket.url).return_value == 0
    monkeypatch.setenv("DRILLKIT_HOME", str(home))
    assert drillkit_("recover").return_value == 0
    assert (folder / JOURNAL).read_bytes() == there(bucket)
    kept = next((folder.parent.parent / ".aside" / "kept").iterdir())
    assert kept.read_bytes() == mine


def test_what_is_closed_on_one_machine_is_closed_on_all(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / JOURNAL)
    journal.append(RunOpened(run=RUN, target=Target(name="prod"), versions={"drillkit": "0.1"}))
    for text in ("raise the limit", "page the right team"):
        journal.append(Note("ann", text, "action-item"))
    journal.close()
    put = bucket.client().put_object
    parts = (tmp_path / JOURNAL).read_bytes()
    put(Bucket=bucket.bucket, Key=f"drills/d/{RUN}/journal/0000000001.jsonl", Body=parts)
    note = RunNote(RUN, "d", "prod", "me", open=False)
    put(Bucket=bucket.bucket, Key=f"drills/{note.key}", Body=note.encoded())
    for machine, item in (("one", 2), ("two", 3)):
        monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / machine))
        ran = drillkit_("actions", "--close", f"{RUN}#{item}", "--why", "w", "--out", bucket.url)
        assert ran.return_value == 0, ran.output
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "three"))
    assert "#" not in drillkit_("actions", "--out", bucket.url).output
    assert drillkit_("actions", "--all", "--csv", "--out", bucket.url).output.count("closed") >= 2


def until(look: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < end, f"expected {what}"
        time.sleep(0.05)


def project(bucket: BucketServer, folder: Path, *steps: str) -> CommandLine:
    """A project whose target is an account and nothing else: its commands are all that happens."""
    (folder / "drills").mkdir(parents=True)
    (folder / "drillkit.yaml").write_text("target: bare\n")
    aws = {"account": "123456789012", "region": "us-east-1", "endpoint_url": bucket.endpoint}
    (folder / "drills" / "targets.yaml").write_text(json.dumps({"bare": {"aws": aws}}))
    text = "\n".join(f"  - {step}" for step in steps)
    (folder / "d.yaml").write_text(f"drill: d\nowner: me\nlimit: 5m\nsteps:\n{text}\n")
    return CommandLine(folder)


def making(name: str) -> str:
    run = f"{{run: [touch, {name}], undo: [rm, -f, {name}]}}"
    return f"{{name: make-{name.lower()}, uses: command, with: {run}}}"


def changed_objects_are_found(bucket: BucketServer) -> None:
    """One bit of each: journal, reports, manifest, chain."""
    for key in bucket.everything():
        if not bucket.read(key) or "/.runs/" in key:
            continue  # marks and notes: who is at work, nothing that is proven
        whole = bucket.read(key)
        changed = bytes([*whole[:-9], whole[-9] ^ 1, *whole[-8:]])
        bucket.client().put_object(Bucket=bucket.bucket, Key=key, Body=changed)
        assert drillkit_("verify", "--out", bucket.url).return_value == 1, key
        bucket.client().put_object(Bucket=bucket.bucket, Key=key, Body=whole)
    assert drillkit_("verify", "--out", bucket.url).return_value == 0


@pytest.mark.slow
def test_a_run_is_in_the_bucket_as_it_is_here_and_others_read_it(
    bucket: BucketServer, tmp_path: Path
) -> None:
    first = project(bucket, tmp_path / "first", making("EFFECT"))
    (first.folder / "drillkit.yaml").write_text(f"target: bare\nreports: {bucket.url}\n")
    ran = first("run", "./d.yaml", "--yes")
    assert ran.code == 3, ran.said
    other = project(bucket, tmp_path / "other", making("EFFECT"))
    told = other("report", f"{bucket.url}/d/latest", "--json")
    assert told.code == ran.code, told.said
    here = next((first.home / "s3").glob("*/d/*-*/journal.jsonl"))
    copied = next((other.home / "s3").glob("*/d/*-*/journal.jsonl"))
    assert here.read_bytes() == copied.read_bytes()
    run = here.parent.name
    assert not json.loads(bucket.read(f"drills/.runs/d/{run}.json"))["open"]
    assert not [key for key in bucket.everything() if "/.open/" in key]
    assert (copied.parent / "report.html").read_bytes() == bucket.read(
        f"drills/d/{run}/report.html"
    )
    checked = other("verify", "--out", bucket.url)
    assert checked.code == 0, checked.said
    assert "1 run: unchanged and complete" in checked.out
    (other.folder / "drillkit.yaml").write_text(f"target: bare\nreports: {bucket.url}\n")
    told = other("history", "--json")
    assert [each["run"] for each in json.loads(told.out)["runs"]] == [run]
    assert "earlier runs" not in other("plan", "./d.yaml").err
    bucket.trouble = lambda method, key: "deleted"
    planned = other("plan", "./d.yaml")
    assert f"earlier runs cannot be read: cannot list {bucket.url}" in planned.err
    bucket.trouble = lambda method, key: ""
    changed_objects_are_found(bucket)
    bucket.client().delete_object(Bucket=bucket.bucket, Key=f"drills/d/{run}/report.html")
    checked = other("verify", "--out", bucket.url)
    assert checked.code == 1
    assert "report.html is missing" in checked.out


@pytest.mark.slow
def test_a_killed_run_is_recovered_by_the_next_one_on_another_machine(
    bucket: BucketServer, tmp_path: Path
) -> None:
    hold = "{name: hold, uses: wait, with: {for: 60s}}"
    first = project(bucket, tmp_path / "first", making("EFFECT"), hold)
    process = first.start("run", "./d.yaml", "--yes", "--out", bucket.url)
    made = first.folder / "EFFECT"
    try:
        until(lambda: made.exists() or process.poll() is not None, "the effect")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    other = project(bucket, tmp_path / "other", making("OTHER"))
    refused = other("run", "./d.yaml", "--yes", "--out", bucket.url)
    assert refused.code == 4, refused.said
    assert "was never cleaned up" in refused.err
    assert made.exists()
    ran = other("run", "./d.yaml", "--yes", "--recover", "--out", bucket.url)
    assert ran.code == 3, ran.said
    assert "clean, 1 open undos applied" in ran.err
    assert not made.exists()


@pytest.mark.slow
def test_when_the_bucket_goes_nothing_more_begins_and_all_is_undone(
    bucket: BucketServer, tmp_path: Path
) -> None:
    here = project(bucket, tmp_path / "here", making("ONE"), making("TWO"))
    second = []

    def trouble(method: str, key: str) -> str:
        if method == "PUT" and (here.folder / "ONE").exists():
            second.append(key)
        return "deleted" if second else ""

    bucket.trouble = trouble
    ran = here("run", "./d.yaml", "--yes", "--out", bucket.url)
    assert ran.code == 3, ran.said
    assert "the bucket does not have all of this run" in ran.err
    assert not (here.folder / "ONE").exists()
    history = read(next((here.home / "s3").glob("*/d/*-*/journal.jsonl")))
    aborted = next(r.entry for r in history if isinstance(r.entry, RunAborted))
    assert aborted.by == "journal"
    assert "the bucket does not take the journal" in aborted.why
    assert not [r for r in history if r.kind == "effect.done" and r.step == "make-two"]
    bucket.trouble = lambda method, key: ""
    ran = here("recover")
    assert ran.code == 0, ran.said


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_what_is_kept_says_so_with_the_checksum_that_object_lock_asks_for(
    bucket: BucketServer, mode: str
) -> None:
    name = f"{bucket.bucket}-locked"
    bucket.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    url = BucketUrl.parse(f"s3://{name}/drills?retain=30d&mode={mode}")
    store = Bucket(url)
    sent: list[dict[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        pairs = request.headers.items()
        sent.append({k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in pairs})

    store._s3().meta.events.register("before-send.s3.PutObject", note)
    etag = store.put("part", b"one")
    store.put("part", b"two", over=etag)
    store.replace("report", b"three")
    store.mark("mark")
    kept, over, report, mark = sent
    now = SystemClock().now()
    for headers in (kept, report):
        assert headers["x-amz-object-lock-mode"] == mode.upper()
        until = datetime.fromisoformat(headers["x-amz-object-lock-retain-until-date"])
        assert abs(until.timestamp() - now - 30 * 86_400) < 3600
        assert any(key.startswith("x-amz-checksum-") for key in headers), "S3 asks for one"
    for headers in (over, mark):
        assert "x-amz-object-lock-mode" not in headers, "what changes is kept by nobody"


def test_a_profile_for_the_bucket_goes_before_the_keys_of_the_environment(
    bucket: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text("[ours]\naws_access_key_id = OURS\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    who: list[str] = []
    for profile in ("", "?profile=ours"):
        store = Bucket(BucketUrl.parse(bucket.url + profile))
        store._s3().meta.events.register(
            "before-send.s3.PutObject",
            lambda request, **_: who.append(str(request.headers["Authorization"])),
        )
        store.replace("x", b"")
    assert ["Credential=testing/" in who[0], "Credential=OURS/" in who[1]] == [True, True]
    with pytest.raises(UsageError, match="no profile `theirs`"):
        Bucket(BucketUrl.parse(f"{bucket.url}?profile=theirs")).get("x")
    there = BucketUrl.parse("s3://b/p?endpoint=http://h:1/&profile=ours&region=eu")
    assert there.elsewhere == "s3://b/p?endpoint=http://h:1/&region=eu", "pods have other profiles"
