"""Asking again and again, less and less often, until it is so or the time is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from drillkit.clock import Deadline, DeadlineOver, Fence
from drillkit.model.errors import Refused

T = TypeVar("T")
FIRST_S = 0.5
FACTOR = 1.3
CAP_S = 10.0
"""Twelve minutes of a restore cost about eighty calls; its end is seen 10 s late at most."""


class Host(Protocol):
    """On whose behalf is waited: a step, or whoever runs its checks."""

    @property
    def deadline(self) -> Deadline: ...
    @property
    def fence(self) -> Fence: ...


def poll(
    host: Host,
    look: Callable[[float], T | None],
    *,
    what: str | Callable[[], str],
    deadline: Deadline | None = None,
    first_s: float = FIRST_S,
    cap_s: float = CAP_S,
) -> T:
    """What `look` gives once it is not None.

    `look` is told how many seconds old an answer may be (half the pause before it), so that looks
    can be shared. Pauses grow from `first_s` to `cap_s`; `deadline` is the host's unless one is
    given. `what` is awaited, or tells when the time is over what was expected and what is there.
    Raises DeadlineOver naming it, Refused when the run is aborted meanwhile, and whatever `look`
    raises.
    """
    from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential

    pauses = wait_exponential(multiplier=first_s, exp_base=FACTOR, max=cap_s)
    end, fence = deadline or host.deadline, host.fence
    age_s = 0.0

    def wait(state: RetryCallState) -> float:
        nonlocal age_s
        pause_s = min(pauses(state), end.left())
        age_s = pause_s / 2
        return pause_s

    def sleep(seconds: float) -> None:
        if end.clock.sleep(seconds, fence.closed) and isinstance(what, str):
            raise Refused(f"stopped while waiting for {what}: {fence.why}")

    def once() -> T | None:
        fence.check()
        return look(age_s)

    def late(state: RetryCallState) -> None:
        said = f"expected {what} in time; it did not come" if isinstance(what, str) else what()
        raise DeadlineOver(said)

    found = Retrying(
        retry=retry_if_result(lambda result: result is None),
        wait=wait,
        stop=lambda state: end.over,
        sleep=sleep,
        retry_error_callback=late,
    )(once)
    assert found is not None
    return found
