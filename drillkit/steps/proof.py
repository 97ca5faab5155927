"""Checks and objectives of steps whose recovery is somebody else's: a command, an experiment. No
kind itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drillkit.clock import CLOCKS_APART_S
from drillkit.model.drill import StepCheck
from drillkit.model.errors import Absent, CallError, StepUnknown
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act

if TYPE_CHECKING:
    from drillkit.checks import Copy

CHECKS = FROM_HERE | DATABASE_CHECKS - {"checksum"}
"""Without a copy there are no two sides to compare."""


def not_of_the_future(what: str, age_s: float) -> None:
    """Raises StepUnknown for what is dated later than now by more than clocks that agree differ."""
    if age_s < -2 * CLOCKS_APART_S:
        raise StepUnknown(
            f"{what}: dated {format_duration(-age_s)} later than now, though the clocks were "
            "compared: nobody knows how old it is. Set them by NTP"
        )


def measures_return(act: Act) -> bool:
    """Whether the step has to say when service or data were back: it counts as a restore then."""
    return act.objectives.rto is not None or act.objectives.rpo is not None


def prove(act: Act, what: str, disrupted: datetime) -> None:
    """Run the step's checks against what is there now; the last one that passes ends its RTO.

    `what` names it for people. Raises StepFailed, StepUnknown, Refused.
    """
    if not act.checks:
        return
    from drillkit.checks import Copy, verify  # most experiments have no checks, and start sooner

    looks = dict.fromkeys(DATABASE_CHECKS, _look_at_instance)
    copy = Copy(what, disrupted, looks=looks, beside=False)
    verify(act, copy, "restored-data" if measures_return(act) else "step")


def _look_at_instance(host: Any, copy: Copy, check: StepCheck) -> Any:
    from drillkit.checks.kinds import KINDS, key_of
    from drillkit.clients.rds import plans

    instance = str(check.instance)
    rds = host.clients.rds
    found = rds.instance(instance) or rds.cluster(instance)
    if found is None:
        raise Absent(f"there is no rds instance or cluster {instance} in {rds.region}")
    database = plans.database_of(found)
    if database is None:
        raise CallError(f"{instance} has no endpoint yet")
    there = replace(copy, database=database, login=host.target.databases[instance], looks={})
    return KINDS[key_of(check)].look(host, there, check)


def prospect_of_checks(act: Act) -> Prospect:
    """What the checks need, and why they cannot be run. Reads only."""
    if not act.checks:
        return Prospect()
    from drillkit.checks import permissions_of, problems_of

    asked = [check for check in act.checks if check.instance is not None]
    kubernetes = act.target.kubernetes
    problems = problems_of(act.checks, "", kubernetes is not None, own=DATABASE_CHECKS)
    problems += _without_login(asked, act.target.databases)
    aws = ("rds:DescribeDBInstances", "rds:DescribeDBClusters") if asked else ()
    permissions: tuple[Permission | AwsAction, ...] = (
        *permissions_of(act.checks, kubernetes.namespace if kubernetes else ""),
        *map(AwsAction, aws),
    )
    if asked and act.target.aws is None:
        problems.append(f"target `{act.target.name}` has no `aws:`, which `instance:` needs")
    return Prospect(permissions=permissions, problems=tuple(problems))


def _without_login(asked: list[StepCheck], databases: Mapping[str, str]) -> Iterator[str]:
    for check in asked:
        if check.instance not in databases:
            known = ", ".join(databases) or "none"
            yield (
                f"check of {check.instance}: the target names no credentials of it under "
                f"`databases` (it has: {known})"
            )
