"""Alerts on how fast an error budget burns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from drillkit.judge.budget import can_fire
from drillkit.model.slo import BurnAlert
from drillkit.spec.document import Trail, quoted
from drillkit.spec.openslo.documents import ConditionDocument, ConditionReference, PolicyDocument
from drillkit.spec.openslo.library import Document, Resolution
from drillkit.spec.openslo.windows import duration

_NOT_SENT = ("alertWhenNoData", "alertWhenResolved", "notificationTargets")
"""What alert policies say of sending them."""


def burn_alerts(here: Resolution, target: float) -> Iterator[BurnAlert]:
    """The alerts of a document whose share of good is `target`, without those that are wrong."""
    for i, given in enumerate(here.document.data.spec.alertPolicies):
        path: Trail = ("spec", "alertPolicies", i)
        if isinstance(given, PolicyDocument):
            yield from _policy(here, given, here.document, path, target)
            continue
        name = given if isinstance(given, str) else given.alertPolicyRef
        where = path if isinstance(given, str) else (*path, "alertPolicyRef")
        found = here.follow("AlertPolicy", name, where)
        if found is not None:
            yield from _policy(here, found.data, found, (), target)


def _policy(
    here: Resolution, policy: PolicyDocument, at: Document, path: Trail, target: float
) -> Iterator[BurnAlert]:
    for key in _NOT_SENT:
        if getattr(policy.spec, key):
            here.notice(
                f"`{key}` of AlertPolicy `{policy.metadata.name}` is ignored: drillkit reads when "
                "it would fire, and sends no alert of it"
            )
    for i, given in enumerate(policy.spec.conditions):
        where: Trail = (*path, "spec", "conditions", i)
        if isinstance(given, ConditionReference):
            found = here.follow("AlertCondition", given.conditionRef, (*where, "conditionRef"), at)
            if found is not None and (alert := _condition(here, found.data, found, (), target)):
                yield alert
        elif alert := _condition(here, given, at, where, target):
            yield alert


def _condition(
    here: Resolution, given: ConditionDocument, at: Document, path: Trail, target: float
) -> BurnAlert | None:
    of, burn = (*path, "spec", "condition"), given.spec.condition
    if burn.kind.lower() != "burnrate":
        here.wrong((*of, "kind"), f"expected burnrate, found {quoted(burn.kind)}", at)
        return None
    if burn.op in ("lt", "lte"):
        here.wrong((*of, "op"), f"`{burn.op}` fires while all is well; expected gt or gte", at)
        return None
    if burn.op not in ("gt", "gte"):
        here.wrong((*of, "op"), f"expected gt or gte, found {quoted(burn.op)}", at)
        return None
    if burn.threshold <= 0:
        here.wrong(
            (*of, "threshold"), f"expected a burn rate above 0, found {burn.threshold:g}", at
        )
        return None
    if not can_fire(burn.threshold, target):
        most = f"at {target * 100:.6g} % even a full outage burns at {1 / (1 - target):.4g} only"
        here.wrong((*of, "threshold"), f"it can never fire: {most}; lower the threshold", at)
        return None
    lengths: list[timedelta] = []
    for key, text in (("lookbackWindow", burn.lookbackWindow), ("alertAfter", burn.alertAfter)):
        try:
            lengths.append(
                duration(text)[2] if text not in (None, "0", "0m", "0s") else timedelta()
            )
        except ValueError as error:
            here.wrong((*of, key), str(error), at)
            return None
    if not lengths[0]:
        here.wrong((*of, "lookbackWindow"), "expected a window above zero, such as 1h", at)
        return None
    return BurnAlert(
        given.metadata.name, given.spec.severity, burn.threshold, lengths[0], lengths[1]
    )
