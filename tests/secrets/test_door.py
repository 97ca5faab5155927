"""The journal's door: no secret passes, undos pass whole or not at all, everything is bounded."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.command import NoUndoDeclared, UndoCommand
from drillkit.journal.admission import TEXT_KEPT
from drillkit.journal.file import Journal, read
from drillkit.journal.wire import RemoteJournal, serve
from drillkit.model.errors import Refused
from drillkit.model.records import Progress, Record, StrangeRecord
from drillkit.secrets import KNOWN

SECRET = "hunter2hunter2"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "journal.jsonl")
    yield found
    found.close()


def shaped(data: dict[str, Any]) -> StrangeRecord:
    """A record of any shape, as a process of another version might send it."""
    return StrangeRecord("progress", data, "")


def test_a_known_secret_stands_in_no_record_and_no_reader_sees_it(
    journal: Journal, tmp_path: Path
) -> None:
    KNOWN.learn([SECRET])
    seen: list[Record] = []
    journal.subscribe(seen.append)
    journal.append(shaped({"text": f"with {SECRET}", SECRET: {"password": "another"}}))
    journal.plan(NoUndoDeclared("it", SECRET))
    written = (tmp_path / "journal.jsonl").read_text()
    assert SECRET not in written + repr(seen)
    assert "another" not in written
    assert "[secret]" in written


@pytest.mark.parametrize(
    "undo",
    [
        UndoCommand("it", ("curl", SECRET), "."),
        UndoCommand("it", ("curl",), ".", {"A": f"x{SECRET}"}),
        UndoCommand("it", ("curl", "-H", "Authorization: Bearer abcd1234"), "."),
        UndoCommand("it", ("curl", "https://u:pass@host/"), "."),
    ],
    ids=["argument", "environment", "header", "url"],
)
def test_an_undo_that_would_hold_a_secret_is_refused_before_its_effect_and_not_shown(
    journal: Journal, tmp_path: Path, undo: UndoCommand
) -> None:
    KNOWN.learn([SECRET])
    with pytest.raises(Refused, match=r"command\.undo cannot be kept.*reference") as refusal:
        journal.plan(undo)
    for value in (SECRET, "abcd1234", "pass@"):
        assert value not in str(refusal.value) + (tmp_path / "journal.jsonl").read_text()


def test_an_undo_keeps_its_arguments_to_the_letter(journal: Journal, tmp_path: Path) -> None:
    long = "x" * (TEXT_KEPT + 10)
    undo = UndoCommand("it", ("sh", long, "ü"), ".", {"TOKEN": "env:TOKEN", "Q": "file:/a b"})
    journal.plan(undo)
    (record,) = read(tmp_path / "journal.jsonl")
    kept = json.loads((tmp_path / "journal.jsonl").read_text())["data"]["args"]
    assert record.kind == "undo.planned"
    assert kept["undo"] == ["sh", long, "ü"]
    assert kept["env"] == {"TOKEN": "env:TOKEN", "Q": "file:/a b"}


def test_text_that_cannot_be_encoded_is_written_escaped(journal: Journal, tmp_path: Path) -> None:
    journal.append(shaped({"text": "caf\udce9 ü", "k\udce9": ["\ud800"]}))
    kept = json.loads((tmp_path / "journal.jsonl").read_text(encoding="utf-8"))["data"]
    assert kept == {"text": "caf\\udce9 ü", "k\\udce9": ["\\ud800"]}
    with pytest.raises(Refused, match="UTF-8"):
        journal.plan(UndoCommand("it", ("caf\udce9",), "."))
    journal.append(Progress("goes on"))


def test_a_text_of_any_size_is_cut_and_says_so(journal: Journal, tmp_path: Path) -> None:
    journal.append(shaped({"text": "x" * 3_000_000, "many": ["y" * 60_000] * 100}))
    assert (tmp_path / "journal.jsonl").stat().st_size < 2_000_000
    kept = json.loads((tmp_path / "journal.jsonl").read_text())["data"]
    assert kept["text"].endswith("[cut: the first 65,536 of 3,000,000 characters]")
    assert kept["many"][0] == "y" * 60_000
    assert kept["many"][99].endswith("[cut: the first 200 of 60,000 characters]")


def test_what_a_child_learns_the_runner_hides_and_the_childs_undos_are_checked(
    journal: Journal, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    runner = threading.Thread(target=serve, args=(journal, ours, "worker"))
    runner.start()
    child = RemoteJournal(theirs, "step")
    KNOWN.learn([SECRET])
    try:
        child.append(Progress(f"{SECRET} caf\udce9"))
        with pytest.raises(Refused, match="cannot be kept"):
            child.plan(UndoCommand("it", (SECRET,), "."))
        journal.append(Progress("the runner's own"))
    finally:
        theirs.shutdown(socket.SHUT_RDWR)
        runner.join()
        theirs.close()
    assert SECRET not in (tmp_path / "journal.jsonl").read_text()


def test_a_secret_of_a_child_is_hidden_in_what_the_runner_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(json.dumps({"learn": [SECRET]}).encode() + b"\n")
        theirs.shutdown(socket.SHUT_WR)
        serve(journal, ours, "worker")
    journal.append(Progress(SECRET))
    journal.close()
    assert SECRET not in (tmp_path / "journal.jsonl").read_text()


def test_a_command_that_crashes_leaves_no_file_of_its_memory() -> None:
    script = """
import atexit, resource, sys
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
atexit.register(lambda: print("limit", resource.getrlimit(resource.RLIMIT_CORE)[0]))
sys.argv = ["drillkit", "--version"]
from drillkit.cli import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines()[-1] == "limit 0", ran.stderr
