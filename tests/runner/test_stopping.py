from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.runner.abort import Stopper, StopWatch, ask_to_abort, signals_stop


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def stopper(journal: Journal) -> Stopper:
    return Stopper(journal, journal.fence)


def until(what: object, limit_s: float = 5.0) -> None:
    """Wait until a condition (a callable) is true."""
    end = time.monotonic() + limit_s
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_the_first_reason_to_stop_stays_and_is_written_once(
    journal: Journal, stopper: Stopper, tmp_path: Path
) -> None:
    stopper.abort("guard", "too many bad requests")
    stopper.abort("operator", "me too")
    assert stopper.aborted == ("guard", "too many bad requests")
    assert journal.fence.why == "too many bad requests"
    records = read(tmp_path / "journal.jsonl")
    assert [(r.kind, r.data["by"]) for r in records] == [("abort", "guard")]


def test_what_runs_is_cut_and_what_begins_too_late_is_cut_at_once(stopper: Stopper) -> None:
    cut: list[str] = []
    stopper.cut(lambda: cut.append("running"))
    stopper.cut(lambda: cut.append("ended before"))()
    stopper.abort("operator", "stop")
    stopper.cut(lambda: cut.append("late"))
    assert cut == ["running", "late"]


def test_one_ctrl_c_aborts_and_a_second_skips_only_the_removing(stopper: Stopper) -> None:
    with signals_stop(stopper):
        os.kill(os.getpid(), signal.SIGINT)
        until(lambda: stopper.aborted)
        assert not stopper.haste.skip_remove.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        until(stopper.haste.skip_remove.is_set)
    assert stopper.aborted == ("operator", "SIGINT from the operator")


def test_ctrl_c_during_clean_up_aborts_nothing_and_skips_the_removing(stopper: Stopper) -> None:
    stopper.cleaning()
    with signals_stop(stopper):
        os.kill(os.getpid(), signal.SIGINT)
        until(stopper.haste.skip_remove.is_set)
    assert stopper.aborted is None


def test_sigterm_aborts_and_a_second_one_leaves_the_clean_up_alone(stopper: Stopper) -> None:
    with signals_stop(stopper):
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: stopper.aborted)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert not stopper.haste.skip_remove.is_set()


def test_handlers_are_put_back(stopper: Stopper) -> None:
    before = signal.getsignal(signal.SIGINT)
    with signals_stop(stopper):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_an_abort_asked_for_from_another_terminal_names_who_and_why(
    stopper: Stopper, tmp_path: Path
) -> None:
    end = Deadline.after(60, SystemClock())
    watch = StopWatch(stopper, tmp_path, lambda: end, SystemClock())
    watch.start()
    ask_to_abort(tmp_path, "ann@laptop", "customers call")
    until(lambda: stopper.aborted)
    watch.stop()
    assert stopper.aborted == ("operator", "ann@laptop asked for it: customers call")


def test_the_drills_limit_aborts_it(stopper: Stopper, tmp_path: Path) -> None:
    end = Deadline.after(0.1, SystemClock())
    watch = StopWatch(stopper, tmp_path, lambda: end, SystemClock())
    watch.start()
    until(lambda: stopper.aborted)
    watch.stop()
    assert stopper.aborted == ("deadline", "the drill's `limit` is over")


def test_an_abort_with_a_lost_journal_still_closes_the_gate(
    stopper: Stopper, journal: Journal
) -> None:
    fence: Fence = journal.fence
    journal._why_lost = "the disk is gone"
    stopper.abort("journal", "the disk is gone")
    assert fence.closed.is_set()
