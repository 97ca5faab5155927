"""Running a restore's checks: each is tried until it passes or its time is over, and its last look
is evidence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from drillkit.checks.context import Context, Copy
from drillkit.checks.expectation import parse_expectation
from drillkit.checks.kinds import key_of, kind_of
from drillkit.checks.touch import empty_handed, untouched
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import JOBS, PODS, SECRETS
from drillkit.clients.polling import poll
from drillkit.clock import DeadlineOver
from drillkit.judge.evidence import passes
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import StepCheck
from drillkit.model.errors import (
    Absent,
    CallError,
    Denied,
    DrillError,
    Invalid,
    Refused,
    StepFailed,
    StepUnknown,
    UsageError,
)
from drillkit.model.evidence import Check, Evidence
from drillkit.model.permissions import Permission
from drillkit.secrets.excerpt import shortened

RETRY_CAP_S = 5.0
UNTOUCHED = "says nothing about restored data: "
FOUND_KEPT = 2_000
"""Characters of a value that was found."""
WHY_KEPT = 2_000
Purpose: TypeAlias = Literal["restored-data", "step"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How a check ended."""

    check: Check
    more: tuple[Evidence, ...]

    @property
    def passed(self) -> bool | None:
        """None: nobody could look."""
        return passes(self.check)


def verify(host: Context, copy: Copy, purpose: Purpose = "restored-data") -> None:
    """Run the step's checks on what it restored; when all have passed, its RTO ends
    (mark `verified`).

    `purpose`: `step` where nothing was restored, as after a failover.

    Raises StepFailed naming the checks that found something else, StepUnknown naming those that
    nobody could read, Refused when the run is aborted.
    """
    results = [_run(host, copy, check, name, purpose) for check, name in named(host.checks)]
    if results and all(r.passed for r in results):
        host.mark("verified")
    if missed := [r.check for r in results if r.passed is False]:
        raise StepFailed(
            "; ".join(f"{c.name}: expected {c.op} {c.expected}, found {c.found}" for c in missed)
        )
    if unread := [r.check for r in results if r.passed is None]:
        raise StepUnknown(
            "; ".join(f"{c.name} could not be read: {c.why or c.found}" for c in unread)
        )


def named(checks: Sequence[StepCheck]) -> Iterator[tuple[StepCheck, str]]:
    """Checks with their names in the report, each name once."""
    taken: set[str] = set()
    for check in checks:
        name = base = check.name or kind_of(check).said(check)
        for number in range(2, len(checks) + 2):
            if name not in taken:
                break
            name = f"{base} ({number})"
        taken.add(name)
        yield check, name


def _run(host: Context, copy: Copy, check: StepCheck, name: str, purpose: Purpose) -> CheckResult:
    kind = kind_of(check)
    restored = purpose == "restored-data"
    idle = untouched(check, copy) if restored else ""
    if idle:
        purpose = "step"
    expected = parse_expectation(check.expect) if check.expect is not None else kind.default
    op, value = expected.op, expected.value
    last = CheckResult(
        Check(name, purpose, value, op, None, "its time was over before it began"), ()
    )

    def look(_: float) -> CheckResult | None:
        nonlocal last
        try:
            found = (copy.looks.get(key_of(check)) or kind.look)(host, copy, check)
            wanted = found.instead or expected
            nothing = idle or (empty_handed(check, found.found) if restored else "")
            why = "; ".join(
                part for part in (found.why, UNTOUCHED + nothing if nothing else "") if part
            )
            shown: Purpose = "step" if nothing else purpose
            check_found = Check(name, shown, wanted.value, wanted.op, found.found, why)
            last = CheckResult(_kept(check_found), found.more)
        except Refused:
            raise
        except DrillError as error:
            why = shortened(str(error), WHY_KEPT)
            last = CheckResult(Check(name, purpose, value, op, None, why), ())
            lasting = isinstance(error, Denied | Invalid) or (
                isinstance(error, Absent) and kind.reads_database
            )
            return last if lasting or not isinstance(error, CallError) else None
        # Restored data does not change by itself: what was read stands. A service may still
        # come up.
        return last if last.passed or kind.reads_database else None

    deadline = host.deadline.sooner(check.within.total_seconds())
    with contextlib.suppress(DeadlineOver):  # the last look stands
        poll(
            host,
            look,
            deadline=deadline,
            what=name,
            cap_s=RETRY_CAP_S,
        )
    for evidence in last.more:
        host.observe(evidence)
    host.observe(last.check)
    host.say(f"check {name}: {_told(last)}")
    return last


def _kept(check: Check) -> Check:
    """The check with as much of what it found as is kept. Where the rest decides, it is unread: the
    record alone must show whether it passed.
    """
    check = replace(check, why=shortened(check.why, WHY_KEPT))
    if not isinstance(check.found, str) or len(check.found) <= FOUND_KEPT:
        return check
    cut = replace(check, found=shortened(check.found, FOUND_KEPT))
    if passes(cut) == passes(check):
        return cut
    why = (
        f"found {len(check.found):,} characters, and the {FOUND_KEPT:,} that are kept do not "
        "decide it; ask for less, such as a count, a part or a checksum"
    )
    return replace(check, found=None, why=why)


def _told(result: CheckResult) -> str:
    check = result.check
    if check.found is None:
        return f"could not be read: {check.why}"
    return (
        f"{'passed' if result.passed else 'missed'}: found {check.found}, expected "
        f"{check.op} {check.expected}"
    )


def problems_of(
    checks: Sequence[StepCheck], login: str, has_cluster: bool, own: Collection[str] = ()
) -> list[str]:
    """What is wrong with a restore's checks before it begins. `own`: keys of `Copy.looks`."""
    found: list[str] = []
    for check, name in named(checks):
        try:
            kind = kind_of(check)
            if check.expect is not None:
                parse_expectation(check.expect)
        except UsageError as error:
            found.append(f"check {name}: {error}")
            continue
        if kind.reads_database and not login and key_of(check) not in own:
            found.append(
                f"check {name}: the target names no credentials of the database under `databases`"
            )
        if check.from_ == "cluster" and not has_cluster:
            found.append(f"check {name}: `from: cluster` needs `kubernetes:` in the target")
    return found


def permissions_of(checks: Sequence[StepCheck], namespace: str) -> tuple[Permission, ...]:
    """Permissions of the cluster that the checks need."""
    if not any(check.from_ == "cluster" for check in checks):
        return ()
    why = "checks that run in the cluster"
    return (
        *needs("create get delete", JOBS, namespace, reason=why),
        *needs("create get delete", SECRETS, namespace, reason=why),
        *needs("list", PODS, namespace, reason=why),
        *needs("get", PODS, namespace, subresource="log", reason=why),
    )
