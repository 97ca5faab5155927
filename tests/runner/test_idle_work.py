"""What waits for an idle moment of the steps is done once, and what is needed in any case."""

from __future__ import annotations

import threading

import pytest

from drillkit.runner import idle_work
from drillkit.runner.idle_work import IdleWork

LONG_S = 60.0


def test_steps_that_end_at_once_leave_time_for_what_is_needed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_work, "AFTER_S", LONG_S)
    done: list[str] = []
    idle = IdleWork(lambda: done.append("needed"), lambda: done.append("useful"))
    idle.start()
    idle.end()
    assert done == ["needed"]


def test_while_steps_run_both_are_done_and_the_end_does_nothing_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_work, "AFTER_S", 0.0)
    done: list[str] = []
    over = threading.Event()

    def useful() -> None:
        done.append("useful")
        over.set()

    idle = IdleWork(lambda: done.append("needed"), useful)
    idle.start()
    assert over.wait(20)
    idle.end()
    assert done == ["needed", "useful"]


def test_the_end_waits_for_what_is_needed_and_not_for_what_is_useful(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_work, "AFTER_S", 0.0)
    done: list[str] = []
    begun, may_go_on, never = threading.Event(), threading.Event(), threading.Event()

    def needed() -> None:
        begun.set()
        assert may_go_on.wait(20)
        done.append("needed")

    idle = IdleWork(needed, lambda: done.append(f"useful {never.wait(20)}"))
    idle.start()
    assert begun.wait(20)
    ending = threading.Thread(target=idle.end)
    ending.start()
    may_go_on.set()
    ending.join(20)
    assert done == ["needed"]
    never.set()
