from __future__ import annotations

import errno
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from drillkit.clock import Fence
from drillkit.journal.book import observe, step_of_record
from drillkit.journal.disk import FileDisk
from drillkit.journal.file import Journal, JournalDamaged, read
from drillkit.journal.runs import (
    RunLock,
    find_run,
    open_runs,
    point_latest,
    register,
    unregister,
)
from drillkit.journal.wire import RemoteJournal, serve
from drillkit.model.effects import Irreversible, Undo
from drillkit.model.errors import JournalLost, Refused, UsageError
from drillkit.model.evidence import Measure
from drillkit.model.records import Progress, RunRecovered, UndoEnded


@dataclass(frozen=True)
class Uncordon(Undo):
    kind: ClassVar[str] = "kube.uncordon"
    phase: ClassVar[Literal["relieve", "remove"]] = "relieve"
    node: str

    @property
    def resource(self) -> str:
        return f"node/{self.node}"


@dataclass(frozen=True)
class Kill(Irreversible):
    kind: ClassVar[str] = "kube.delete-pod"
    pod: str

    @property
    def resource(self) -> str:
        return f"pod/{self.pod}"

    @property
    def reason(self) -> str:
        return "a deleted pod does not come back"

    @property
    def wait_for(self) -> str:
        return "a replacement that is ready"


@pytest.fixture(autouse=True)
def known_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    from drillkit.clients import kube

    monkeypatch.setitem(kube.UNDOS, Uncordon.kind, Uncordon)


class SmallDisk(FileDisk):
    """A real file on a disk with room for so many bytes; the reserve gives some back."""

    def __init__(self, path: Path, room: int, reserve: int = 2000) -> None:
        super().__init__(path)
        self.room, self.kept = room, reserve

    def write(self, line: bytes) -> None:
        if len(line) > self.room:
            super().write(line[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(line)
        super().write(line)

    def release_reserve(self) -> bool:
        self.room, self.kept = self.room + self.kept, 0
        return super().release_reserve()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def test_what_is_written_is_read_back_in_order_with_its_step(journal: Journal, path: Path) -> None:
    with step_of_record("kill"):
        observe(journal, Measure("calls", 3, "calls"))
    journal.plan(Uncordon("n1"))
    first, second = read(path)
    assert (first.n, first.kind, first.step, first.data["name"]) == (1, "evidence", "kill", "calls")
    assert (second.n, second.data["args"], second.data["resource"]) == (
        2,
        {"node": "n1"},
        "node/n1",
    )


def test_an_effect_without_undo_says_why_and_what_to_wait_for(journal: Journal, path: Path) -> None:
    journal.plan(Kill("web-1"))
    (record,) = read(path)
    assert record.kind == "effect.irreversible"
    assert record.data["wait_for"] == "a replacement that is ready"


def test_a_changed_line_is_noticed_and_named(journal: Journal, path: Path) -> None:
    for name in ("a", "b", "c"):
        journal.append(Progress(name))
    path.write_bytes(path.read_bytes().replace(b'"text":"b"', b'"text":"x"'))
    with pytest.raises(JournalDamaged, match=r"journal.jsonl:3: this line does not follow"):
        read(path)


def test_a_torn_last_line_is_cut_and_kept_in_a_record(path: Path) -> None:
    first = Journal(path)
    first.append(Progress("whole"))
    first.close()
    with path.open("ab") as file:
        file.write(b'{"n":2,"at":1.0,"ki')
    assert [r.kind for r in read(path)] == ["progress"], "a reader leaves it out"
    second = Journal(path)
    second.append(Progress("after"))
    second.close()
    records = read(path)
    assert [r.kind for r in records] == ["progress", "journal.torn", "progress"]
    assert records[1].data["text"] == '{"n":2,"at":1.0,"ki'


def test_many_threads_share_syncs_and_every_line_is_whole(path: Path) -> None:
    syncs = 0

    class Counting(FileDisk):
        def sync(self) -> None:
            nonlocal syncs
            syncs += 1
            super().sync()

    journal = Journal(Counting(path))
    threads = [
        threading.Thread(target=lambda: [journal.append(Progress("x")) for _ in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert [r.n for r in read(path)] == list(range(1, 401))
    assert 0 < syncs <= 400


def test_a_closed_gate_refuses_plans_but_takes_records(path: Path) -> None:
    fence = Fence()
    journal = Journal(path, fence=fence)
    fence.close("the operator said stop")
    with pytest.raises(Refused, match="the operator said stop"):
        journal.plan(Uncordon("n1"))
    journal.append(UndoEnded(1, "undone"))
    journal.close()
    assert [r.kind for r in read(path)] == ["undo.ended"]


def test_a_full_disk_stops_new_effects_and_still_has_room_for_the_clean_up(path: Path) -> None:
    lost: list[str] = []
    journal = Journal(SmallDisk(path, room=500), on_lost=lost.append)
    planned = journal.plan(Uncordon("n1"))
    with pytest.raises((JournalLost, Refused)):
        for _ in range(10):
            journal.plan(Uncordon("n2"))
    assert lost == ["the journal cannot be written: No space left on device"]
    journal.append(UndoEnded(planned.n, "undone"))
    journal.close()
    records = read(path)
    assert records[-1].kind == "undo.ended"
    assert all(r.n == i for i, r in enumerate(records, 1)), "no torn line in the middle"


def test_when_even_the_reserve_is_gone_every_append_says_so(path: Path) -> None:
    journal = Journal(SmallDisk(path, room=300, reserve=0))
    with pytest.raises(JournalLost, match="No space left on device"):
        for _ in range(10):
            journal.append(Progress("x" * 50))
    with pytest.raises(JournalLost):
        journal.append(Progress("y"))
    journal.close()
    assert read(path), "what was written before is whole"


def test_after_a_failed_sync_nothing_is_planned_any_more(path: Path) -> None:
    class Broken(FileDisk):
        def sync(self) -> None:
            raise OSError(errno.EIO, "Input/output error")

    journal = Journal(Broken(path))
    with pytest.raises(JournalLost, match="Input/output error"):
        journal.plan(Uncordon("n1"))
    with pytest.raises((JournalLost, Refused)):
        journal.plan(Uncordon("n2"))
    journal.close()


def test_a_receipt_is_not_sent_to_another_process(journal: Journal) -> None:
    with pytest.raises(TypeError, match="send the undo and plan it there"):
        pickle.dumps(journal.plan(Uncordon("n1")))


def test_a_child_plans_over_the_pipe_and_gets_its_answer_after_the_sync(
    journal: Journal, path: Path
) -> None:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(journal, ours, "worker:kill"))
    thread.start()
    remote = RemoteJournal(theirs, "kill")
    planned = remote.plan(Uncordon("n1"))
    assert planned.n == 1
    assert b"kube.uncordon" in path.read_bytes(), "it is on disk when the child may act"
    planned.confirm(uid="u1")
    assert remote.append(Progress("t")) == 3
    journal.fence.close("aborting")
    with pytest.raises(Refused, match="aborting"):
        remote.plan(Uncordon("n2"))
    remote._sock.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert not thread.is_alive()
    assert [(r.by, r.step) for r in read(path)] == [("worker:kill", "kill")] * 3


def test_without_a_runner_a_child_may_not_act() -> None:
    ours, theirs = socket.socketpair()
    remote = RemoteJournal(theirs)
    ours.close()
    with pytest.raises(JournalLost, match="the runner is gone"):
        remote.plan(Uncordon("n1"))
    remote._answers.close()
    theirs.close()


def test_a_runs_lock_lasts_as_long_as_any_of_its_processes(tmp_path: Path) -> None:
    lock = RunLock.take(tmp_path)
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.fd,),
    )
    lock.release()
    assert RunLock.take(tmp_path) is None, "the child still holds it"
    assert child.stdin
    child.stdin.close()
    child.wait(10)
    again = RunLock.take(tmp_path)
    assert again is not None
    again.release()


def test_an_open_run_is_found_from_anywhere_until_it_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "reports" / "pod-delete" / "r1"
    folder.mkdir(parents=True)
    Journal(folder / "journal.jsonl").close()
    register("r1", folder, "prod", "sre@example.com")
    monkeypatch.chdir("/")
    (run,) = open_runs()
    assert (run.id, run.folder, run.target) == ("r1", folder, "prod")
    assert find_run("r1", tmp_path / "elsewhere") == folder
    unregister("r1")
    assert list(open_runs()) == []
    with pytest.raises(UsageError, match="no run `r2`; known: r1"):
        find_run("r2", tmp_path / "reports")


def test_a_damaged_note_of_an_open_run_is_told_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path))
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "r1").write_text("{")
    (run,) = open_runs()
    assert run.id == "r1"
    assert str(tmp_path / "open" / "r1") in run.unreadable


def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys; from pathlib import Path; from drillkit.journal.file import Journal\n"
        "from drillkit.model.records import Progress\n"
        f"j = Journal(Path({str(path)!r}))\n"
        "while True: print(j.append(Progress('x')), flush=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    seen = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, 9)
    seen += [int(line) for line in child.stdout.read().split() if line.strip()]
    child.wait(10)
    child.stdout.close()
    assert len(read(path)) >= max(seen)
    journal = Journal(path)
    journal.append(RunRecovered())
    journal.close()
    assert json.loads(path.read_bytes().splitlines()[-1])["kind"] == "run.recovered"


def test_latest_is_the_run_that_began_last_and_of_one_second_the_one_that_was_told_last(
    tmp_path: Path,
) -> None:
    runs = ("20270118-080000-zzzz", "20270118-080000-bbbb", "20270118-075959-yyyy")
    for run in runs:
        (tmp_path / run).mkdir()
        point_latest(tmp_path / run)
    assert (tmp_path / "latest").readlink() == Path("20270118-080000-bbbb")
