"""One restore of an instance, from the decision to the last check."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.polling import poll
from drillkit.clients.rds import DeleteInstance, Rds, plans
from drillkit.clients.rds.states import check_alive, is_usable
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, StepFailed
from drillkit.steps.aws import aws_of, refusals_fail, resource_name
from drillkit.steps.base import Act
from drillkit.steps.expiry import expires
from drillkit.steps.rds.arguments import RestoreArguments
from drillkit.steps.rds.original import Loss, storage_of
from drillkit.steps.rds.parameter_groups import copied_group
from drillkit.steps.rds.reading import read


def await_instance(
    act: Act,
    rds: Rds,
    name: str,
    so: Callable[[Described], bool] = lambda described: True,
    *,
    what: str = "be available",
    seen: Callable[[], None] = lambda: None,
) -> Described:
    """The instance once it serves and is `so`. Raises StepFailed with advice for a status that ends
    all hope.
    """

    def look(fresh_s: float) -> Described | None:
        described = rds.instance(name, fresh_s)
        if described is None:
            return None  # descriptions lag behind
        seen()
        status = str(described.get("DBInstanceStatus", ""))
        _check_alive(rds, status, name)
        return described if is_usable(status) and so(described) else None

    with rds.instances.watching(name):
        return poll(
            act,
            look,
            what=f"rds instance/{name} to {what}",
        )


def _check_alive(rds: Rds, status: str, name: str) -> None:
    try:
        check_alive(status, f"rds instance/{rds.region}/{name}")
    except StepFailed as why:
        event = ""
        with contextlib.suppress(CallError):  # the status says enough
            event = rds.last_event(name)
        raise StepFailed(f"{why}" + (f" (last event: {event})" if event else "")) from None


@dataclass(slots=True)
class InstanceRestore:
    """One restore of an instance, from the decision to the last check."""

    act: Act
    rds: Rds
    arguments: RestoreArguments
    loss: Loss
    home: Rds | None = None
    """Where the original is, when that is another region."""
    _started: bool = field(default=False, init=False)

    def run(
        self,
        launch: Callable[[Planned[DeleteInstance], Mapping[str, Any], Sequence[str]], Described],
    ) -> None:
        """Restore, wait, adjust, compare, read. `launch` makes the call. Raises StepFailed,
        StepUnknown, CallError.
        """
        act, rds, original = self.act, self.rds, self.loss.original
        there = plans.network(aws_of(act), rds.region)
        name = resource_name(act)
        rds.admit([name], act.target.caps.instances)
        act.observe(self.loss.promised)
        act.mark("decided")
        source_group = self.arguments.parameter_group or plans.parameter_group_of(
            original.described
        )
        with refusals_fail():
            group = copied_group(act, rds, original, source_group, home=self.home)
            settings = plans.instance_settings(
                original.described,
                there,
                group,
                self.arguments.wishes,
                abroad=self.home is not None,
            )
            zones = [] if settings.get("MultiAZ") else rds.zones(there.subnet_group)
            plan = act.book.plan(
                DeleteInstance(
                    name,
                    act.run.id,
                    rds.region,
                    expires(act),
                    str(settings.get("DBInstanceClass") or ""),
                    storage_of(original.described),
                )
            )
            act.say(f"restoring {original.name} as {name}")
            launch(plan, settings, zones)
        act.mark("queued")
        copy = await_instance(act, rds, name, seen=self._seen)
        act.mark("restored")
        copy = self._adjust(plan, copy)
        read(act, self.loss, copy, f"rds instance/{rds.region}/{name}", self.arguments.warm)

    def _seen(self) -> None:
        if not self._started:
            self._started = True
            self.act.mark("started")

    def _adjust(self, plan: Planned[DeleteInstance], copy: Described) -> Described:
        """What the restore call could not carry over; then what differs is written down."""
        act, rds, name = self.act, self.rds, plan.undo.name
        original = self.loss.original.described
        if _pending_reboot(copy):
            rds.reboot(plan)
            copy = await_instance(
                act, rds, name, lambda d: not _pending_reboot(d), what="use its parameter group"
            )
        if self.loss.original.alive and (changes := plans.later_changes(original, copy)):
            rds.modify(plan, changes=changes)
            copy = await_instance(
                act,
                rds,
                name,
                lambda d: (
                    not d.get("PendingModifiedValues") and not plans.later_changes(original, d)
                ),
                what="take its last settings",
            )
        allowed = (
            *(("DBInstanceClass",) if self.arguments.instance_class else ()),
            *(("MultiAZ",) if self.arguments.multi_az is not None else ()),
            *(("OptionGroup", "KmsKeyId") if self.home is not None else ()),
        )
        act.observe(plans.compare(original, copy, allowed))
        return copy


def _pending_reboot(described: Described) -> bool:
    groups = described.get("DBParameterGroups") or []
    return any(group.get("ParameterApplyStatus") == "pending-reboot" for group in groups)
