"""Trying again on errors that pass: a few times, for a bounded while."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drillkit.clock import Clock
from drillkit.model.errors import (
    CallError,
    Denied,
    Invalid,
    Rejected,
    TargetError,
    Throttled,
    Unanswered,
    Unavailable,
    Unreachable,
    UsageError,
)

T = TypeVar("T")
PASSING = (Throttled, Unavailable, Unreachable, Unanswered)
"""Errors that may be gone a moment later."""
LASTING = (Denied, Invalid, Rejected, TargetError, UsageError)
"""Refusals that time alone does not heal: missing permissions, invalid requests, a program that
says no.
"""
RETRY_AFTER_CAP_S = 10.0


def patiently(
    work: Callable[[], T],
    clock: Clock,
    *,
    attempts: int,
    limit_s: float,
    on: tuple[type[CallError], ...] = PASSING,
) -> T:
    """What `work` gives, tried again on passing errors: `attempts` times at most, none begun after
    `limit_s` seconds.

    Waits as long as the other side wishes (bounded), else 0.2 s doubling to 3 s. Raises what the
    last attempt raised.
    """
    end = clock.mono() + limit_s
    try:
        return work()
    except on as error:
        failed = [error]
    # Hardly ever more than one attempt is needed: only then the library is loaded.
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception_type,
        wait_exponential,
        wait_random,
    )

    backoff = wait_exponential(multiplier=0.2, max=3.0) + wait_random(0, 0.2)

    def again() -> T:
        if failed:
            raise failed.pop()
        return work()

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wish = error.retry_after_s if isinstance(error, Throttled) else None
        return backoff(state) if wish is None else min(wish, RETRY_AFTER_CAP_S)

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= attempts or clock.mono() >= end

    retrying = Retrying(
        retry=retry_if_exception_type(on),
        wait=wait,
        stop=stop,
        reraise=True,
        sleep=lambda s: _slept(clock, s),
    )
    return retrying(again)


def _slept(clock: Clock, seconds: float) -> None:
    clock.sleep(seconds)
