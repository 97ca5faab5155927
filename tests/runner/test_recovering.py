"""`recover` and `settle`, whatever is wrong with a run: nothing ends in a traceback, one bad run
never keeps another from being recovered, and what cannot be known is never called clean.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from drillkit.cleanup import open_undos
from drillkit.cli.group import cli
from drillkit.clients.command import UndoCommand
from drillkit.clients.kube import uncordon_of
from drillkit.clock import SystemClock
from drillkit.journal.file import Journal, read, salvage
from drillkit.journal.runs import JOURNAL, LOCK, RunLock, open_runs, register
from drillkit.judge import judge
from drillkit.model.errors import UsageError
from drillkit.model.records import Progress, RunAborted, RunOpened
from drillkit.model.target import Target
from drillkit.model.verdict import Holds
from drillkit.runner.keep import keep
from drillkit.runner.recover import in_doubt, leftovers, nothing_left, recover
from drillkit.runner.settle import settle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRILLKIT_OPERATOR", "ann@laptop")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@dataclasses.dataclass
class Run:
    """A run that was killed."""

    id: str
    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / JOURNAL

    @property
    def effect(self) -> Path:
        """What its command has made, and its undo removes."""
        return self.folder.parent / f"effect-of-{self.id}"

    def gone(self) -> bool:
        return not self.effect.exists()


def opening(run: str) -> RunOpened:
    return RunOpened(run=run, target=Target(name="prod"), versions={"drillkit": "0.1"})


def killed(
    tmp_path: Path,
    name: str,
    *,
    opened: bool = True,
    undo: tuple[str, ...] | None = None,
    **more: Any,
) -> Run:
    """A run that died with the undo of a command open."""
    run = Run(name, tmp_path / "reports" / name)
    run.folder.mkdir(parents=True)
    (run.folder / LOCK).touch()
    register(name, run.folder, "prod", "me")
    journal = Journal(run.journal)
    if opened:
        journal.append(dataclasses.replace(opening(name), **more))
    run.effect.touch()
    journal.plan(UndoCommand("make", undo or ("rm", "-f", str(run.effect)), str(tmp_path)))
    journal.close()
    return run


def empty(tmp_path: Path, name: str, content: str | None = "") -> Run:
    """A run that died before record 1."""
    run = Run(name, tmp_path / "reports" / name)
    run.folder.mkdir(parents=True)
    (run.folder / LOCK).touch()
    register(name, run.folder, "prod", "me")
    if content is not None:
        run.journal.write_text(content)
    return run


def drillkit(*arguments: str) -> Result:
    ran = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran


def registered() -> list[str]:
    return [run.id for run in open_runs()]


# Runs that died early


@pytest.mark.parametrize(
    "content",
    [None, "", '{"n":1,"at":17', '{"n":1,"at":17}', "\0" * 512],
    ids=["no journal", "an empty one", "a torn line", "torn, though it looks whole", "zeros"],
)
def test_a_run_killed_before_record_1_has_touched_nothing(
    tmp_path: Path, content: str | None
) -> None:
    empty(tmp_path, "r1", content)
    ran = drillkit("recover")
    assert ran.return_value == 0, ran.output
    assert "touched nothing" in ran.output
    assert registered() == []


def test_a_run_killed_while_it_opened_after_an_abort_has_touched_nothing(tmp_path: Path) -> None:
    run = empty(tmp_path, "r1")
    journal = Journal(run.journal)
    journal.append(RunAborted("operator", "SIGINT"))
    journal.close()
    (found,) = leftovers("prod")
    assert nothing_left(found), "a later run on that target starts"
    ran = drillkit("recover")
    assert (ran.return_value, registered()) == (0, [])
    assert "it ended before it opened, so it touched nothing" in ran.output


BROKEN = {
    "empty": "",
    "torn": '{"n":1',
    "not json": "what is this?\n",
    "something else without a line": "x" * 4096,
    "not a mapping": "[]\n5\nnull\n",
    "of another shape": '{"n":"x","at":{},"mono":[],"by":1,"kind":2,"data":3,"prev":4}\n',
    "binary": "\x00\x01\x02\n\x03",
    "without end": "[" * 200_000 + "\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_bad_run_never_keeps_another_from_being_recovered(tmp_path: Path, name: str) -> None:
    empty(tmp_path, "r1", BROKEN[name])
    good = killed(tmp_path, "r2")
    ran = drillkit("recover")
    assert good.gone(), ran.output
    assert "r2" not in registered()
    assert ran.return_value == (0 if name in ("empty", "torn") else 5), ran.output
    assert ("r1" in registered()) == (ran.return_value == 5)


NOTES = [
    "[]",
    '{"folder": 5}',
    "{",
    '{"folder": "/x"}',
    "5",
    "\x00",
    "[" * 100_000,
    '{"folder": "/%s", "target": "prod", "owner": "o"}' % ("a" * 300),
    '{"folder": "/%s", "target": "prod", "owner": "o"}' % ("a/" * 4_000),
    '{"folder": "/a\\u0000b", "target": "prod", "owner": "o"}',
    '{"folder": "/\\ud800", "target": "prod", "owner": "o"}',
]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note[:20])
def test_a_note_of_any_shape_is_told_and_the_others_are_recovered(
    tmp_path: Path, home: Path, note: str
) -> None:
    good = killed(tmp_path, "r2")
    (home / "open" / "r1").write_text(note)
    ran = drillkit("recover")
    assert good.gone()
    assert ran.return_value == 5
    assert str(home / "open" / "r1") in ran.output
    assert registered() == ["r1"]
    assert leftovers("prod") == [], "a note that proves nothing keeps no run from starting"
    assert in_doubt("prod"), "but whoever starts one is told"


def test_a_note_that_is_a_pipe_holds_nobody_up(tmp_path: Path, home: Path) -> None:
    good = killed(tmp_path, "r2")
    os.mkfifo(home / "open" / "r1")
    ran = drillkit("recover")
    assert good.gone()
    assert (ran.return_value, registered()) == (5, ["r1"])
    assert "is no file" in ran.output


@pytest.mark.parametrize("place", ["", "open"])
@pytest.mark.parametrize("found", ["file", "link"])
def test_where_the_notes_folder_is_something_else_nothing_is_called_clean(
    tmp_path: Path, home: Path, place: str, found: str
) -> None:
    killed(tmp_path, "r2")
    taken = home / place if place else home
    taken.rename(tmp_path / "aside")
    if found == "file":
        taken.write_text("")
    else:
        taken.symlink_to(tmp_path / "not-mounted")
    ran = CliRunner().invoke(cli, ("recover",), standalone_mode=False)
    assert isinstance(ran.exception, UsageError)
    assert f"{taken}: expected the folder that notes open runs" in str(ran.exception)
    taken.unlink()
    (tmp_path / "aside").rename(taken)
    assert drillkit("recover").return_value == 0


def test_a_bug_in_one_recovery_is_told_and_the_next_run_gets_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import drillkit.runner.recover as module

    killed(tmp_path, "r1")
    good = killed(tmp_path, "r2")
    right = open_undos

    def buggy(history: Any) -> Any:
        if history[0].data["run"] == "r1":
            raise ZeroDivisionError("oops")
        return right(history)

    monkeypatch.setattr(module, "open_undos", buggy)
    ran = drillkit("recover")
    assert good.gone()
    assert ran.return_value == 5
    assert "a bug of drillkit's own: ZeroDivisionError: oops" in ran.output
    assert registered() == ["r1"]


# Folders and journals that are elsewhere


def test_a_folder_that_is_away_is_not_clean_and_is_recovered_when_it_is_back(
    tmp_path: Path,
) -> None:
    run = killed(tmp_path, "r1")
    away = tmp_path / "away"
    run.folder.rename(away)
    ran = drillkit("recover")
    assert ran.return_value == 5, ran.output
    assert "away" in ran.output
    assert registered() == ["r1"]
    assert not run.gone()
    assert leftovers("prod") == []
    assert "r1" in in_doubt("prod")[0]
    away.rename(run.folder)
    assert drillkit("recover").return_value == 0
    assert run.gone()
    assert registered() == []


def test_a_journal_that_was_moved_away_is_not_clean(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    (run.folder / "attachments").mkdir()
    run.journal.unlink()
    ran = drillkit("recover")
    assert (ran.return_value, registered()) == (5, ["r1"])
    assert "moved or deleted" in ran.output


@pytest.mark.parametrize("named", ["folder", "journal"])
def test_a_run_that_nobody_has_noted_here_is_recovered_by_its_folder(
    tmp_path: Path, home: Path, named: str
) -> None:
    run = killed(tmp_path, "r1")
    (home / "open" / "r1").unlink()
    ran = drillkit("recover", str(run.folder if named == "folder" else run.journal))
    assert ran.return_value == 0, ran.output
    assert run.gone()


@pytest.mark.parametrize("host", ["another", socket.gethostname()])
def test_programs_that_undo_on_another_machine_than_the_runs_are_told(
    tmp_path: Path, host: str
) -> None:
    run = killed(tmp_path, "r1", vantage={"host": host})
    ran = drillkit("recover", str(run.folder))
    assert (ran.return_value, run.gone()) == (0, True), ran.output
    said = "the run was on machine another, this is"
    told = [r.entry.text for r in read(run.journal) if isinstance(r.entry, Progress)]
    assert (said in ran.output) is (host == "another"), ran.output
    assert any(said in text for text in told) is (host == "another")


def test_a_copy_of_a_run_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    lock = RunLock.take(run.folder)
    assert lock is not None
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(run.folder), str(copy)], check=True)
    ran = drillkit("recover", str(copy))
    lock.release()
    assert "still running" in ran.output
    assert not run.gone()


def test_a_damaged_line_in_the_middle_hides_no_undo_that_can_still_be_read(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    other = run.effect.with_name("other")
    other.touch()
    journal = Journal(run.journal)
    journal.append(Progress("on we go"))
    journal.plan(UndoCommand("second", ("rm", "-f", str(other)), str(tmp_path)))
    journal.close()
    lines = run.journal.read_bytes().split(b"\n")
    lines[2] = b"\x00" * len(lines[2])
    run.journal.write_bytes(b"\n".join(lines))
    ran = drillkit("recover")
    assert run.gone()
    assert not other.exists()
    assert ran.return_value == 5, "what the damaged line said, nobody knows"
    assert "line 3" in ran.output
    assert registered() == ["r1"]
    assert nothing_left(next(open_runs())), "nothing is provably open: later runs start"
    assert drillkit("settle", "r1", "journal", "--why", "looked at prod").return_value == 0
    assert registered() == []


def test_a_damaged_last_line_takes_the_word_of_the_recovery_behind_it(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    with open(run.journal, "ab") as file:
        file.write(b"garbage\n")
    assert drillkit("recover").return_value == 5
    assert run.gone()
    found = salvage(run.journal)
    assert "undo.ended" in [record.kind for record in found.history]
    assert found.damage == ("line 3 is no record of this journal",)


def test_undos_of_a_target_that_nobody_can_read_are_named_and_left(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    journal = Journal(run.journal)
    node = {"metadata": {"name": "n1", "uid": "u1"}}
    journal.plan(uncordon_of(node, run="r1"))
    journal.close()
    lines = run.journal.read_bytes().split(b"\n")
    lines[0] = b"{}"
    run.journal.write_bytes(b"\n".join(lines))
    ran = drillkit("recover")
    assert ran.return_value == 5
    assert run.gone(), "what is on this machine can be undone"
    assert "left: node/n1" in ran.output
    assert "record 1 cannot be read" in ran.output


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_folder_is_told_and_nothing_is_undone_unwritten(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    mount = ["mount", "--bind", str(run.folder), str(run.folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(run.folder)], check=True)
        ran = drillkit("recover")
        assert ran.return_value == 5, ran.output
        assert "Read-only" in ran.output
        assert not run.gone()
        assert len(leftovers("prod")) == 1
        copy = tmp_path / "copy"
        subprocess.run(["cp", "-r", str(run.folder), str(copy)], check=True)
        assert drillkit("recover", str(copy)).return_value == 0
        assert run.gone()
    finally:
        subprocess.run(["umount", str(run.folder)], check=True)


# By hand


def test_what_a_person_has_undone_by_hand_is_written_down_and_never_met(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1", undo=("false",))
    ran = drillkit("settle", "r1", "make", "--why", "terraform destroy by hand")
    assert ran.return_value == 0, ran.output
    assert registered() == []
    history = read(run.journal)
    verdict = judge(history)
    (undo,) = verdict.undos
    assert (undo.outcome, undo.detail) == ("by-hand", "ann@laptop: terraform destroy by hand")
    assert verdict.holds is Holds.UNKNOWN
    assert verdict.exit_code == 3
    assert any("terraform destroy by hand" in str(f) for f in verdict.findings)


def test_settling_names_what_is_open_when_it_is_not_told_which(tmp_path: Path) -> None:
    killed(tmp_path, "r1")
    ran = CliRunner().invoke(
        cli, ["settle", "r1", "elsewhere", "--why", "x"], standalone_mode=False
    )
    assert "command/make" in str(ran.exception)
    assert registered() == ["r1"]


def test_a_run_whose_folder_is_gone_for_good_is_closed_on_somebodys_word(
    tmp_path: Path, home: Path
) -> None:
    run = killed(tmp_path, "r1")
    run.folder.rename(tmp_path / "burnt")
    assert drillkit("settle", "r1", "journal", "--why", "looked at prod").return_value == 0
    assert registered() == []
    word = json.loads((home / "settled" / "r1.json").read_text())
    assert (word["by"], word["why"]) == ("ann@laptop", "looked at prod")


def test_a_run_at_work_cannot_be_settled(tmp_path: Path) -> None:
    run = killed(tmp_path, "r1")
    lock = RunLock.take(run.folder)
    assert lock is not None
    ran = CliRunner().invoke(cli, ["settle", "r1", "make", "--why", "x"], standalone_mode=False)
    lock.release()
    assert "drillkit abort r1" in str(ran.exception)


@pytest.mark.parametrize("what", ["recover", "settle", "keep"])
def test_what_a_killed_runner_started_is_given_a_moment_to_be_gone(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner is dead, and a program of it still holds the lock when it is first asked for."""
    run = killed(tmp_path, "r1")
    holding = RunLock.take(run.folder)
    assert holding is not None
    dead = subprocess.Popen(["true"])
    dead.wait()
    (run.folder / LOCK).write_text(f"{dead.pid}\n")
    slept = []

    class ItEnds(SystemClock):
        def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
            if not slept:
                holding.release()
            slept.append(seconds)
            return super().sleep(seconds, wake)

    (found,) = open_runs()
    clock = ItEnds()
    if what == "recover":
        assert recover(found, 60, print, clock).state == "clean"
    elif what == "settle":
        assert settle(found, "make", "ann", "by hand", clock).closed
    else:
        with pytest.raises(UsageError, match="only what a run made can be kept"):
            keep(run.folder, "make", "ann", clock)
    assert slept


# In a hurry


def interrupted(folder: Path, *runs: Run) -> tuple[int, str]:
    """`drillkit recover` as a process, told Ctrl-C once when the last undo of these runs waits."""
    process = subprocess.Popen(
        [sys.executable, "-m", "drillkit", "recover"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        end = time.monotonic() + 30
        while not (folder / "waiting").exists():
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out


def test_ctrl_c_in_recover_says_what_was_done_and_what_is_still_open(tmp_path: Path) -> None:
    waiting = ("sh", "-c", f"touch {tmp_path}/waiting; sleep 60")
    first = killed(tmp_path, "r1", undo=waiting)
    journal = Journal(first.journal)
    done = first.effect.with_name("done")
    done.touch()
    journal.plan(UndoCommand("quick", ("rm", str(done)), str(tmp_path)))
    journal.close()
    killed(tmp_path, "r2")
    code, out = interrupted(tmp_path)
    assert code == 5, out
    assert not done.exists()
    assert "command/quick: undone" in out
    assert "r1 on prod: dirty" in out
    assert "left: command/make" in out
    assert "r2 on prod: not begun" in out
    assert "nothing was touched" not in out
    assert registered() == ["r1", "r2"]


@pytest.mark.parametrize(("typed", "recover"), [("run", True), ("slo", False)])
def test_ctrl_c_where_nothing_is_changed_claims_nothing(
    monkeypatch: pytest.MonkeyPatch, typed: str, recover: bool
) -> None:
    from drillkit import cli as command_line

    def interrupt(*args: object, **kwargs: object) -> None:
        raise click.exceptions.Abort

    monkeypatch.setattr(cli, "main", interrupt)
    runner = CliRunner()
    with runner.isolation() as (_, err, _):
        code = command_line.answer([typed])
        said = err.getvalue().decode()
    assert code == 3
    assert "interrupted" in said
    assert "nothing was touched" not in said
    assert ("drillkit recover" in said) is recover


# Targets that were started for a run

A_TARGET = """
import json, sys, time
print(json.dumps({"kubeconfig": "nowhere", "pid": 1}), flush=True)
sys.stdin.read()
"""
A_RUNNER = """
import sys, time
from drillkit.model.target import (Launch, Target)
from drillkit.runner.target_process import launched
with launched(Target(name="practice", launch=Launch(module="a_target"))):
    print("up", flush=True)
    time.sleep(60)
"""


def test_the_folder_of_a_started_target_stays_while_its_runner_lives_and_goes_with_recover(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_target.py").write_text(A_TARGET)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runner = subprocess.Popen([sys.executable, "-c", A_RUNNER], stdout=subprocess.PIPE, text=True)
    place = home / "launched"
    try:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "up\n"
        assert drillkit("recover").return_value == 0
        assert len(list(place.iterdir())) == 1
    finally:
        runner.kill()
        runner.communicate()
    assert len(list(place.iterdir())) == 1
    assert drillkit("recover").return_value == 0
    assert list(place.iterdir()) == []
