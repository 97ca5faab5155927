"""The options of a deletion, from the body or the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drillkit.sandbox.kube.call import check_dry_run
from drillkit.sandbox.kube.causes import wrong
from drillkit.sandbox.kube.errors import ApiError, bad_request, invalid
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.shapes import require

_SHAPE = {
    "kind": str,
    "gracePeriodSeconds": int,
    "propagationPolicy": str,
    "orphanDependents": bool,
    "preconditions": {"uid": str, "resourceVersion": str},
    "dryRun": [str],
}
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True)
class DeleteOptions:
    """What a client asked for; an empty ``propagation`` leaves it to the resource's default."""

    grace_s: int | None
    propagation: str
    uid: str
    resource_version: str
    dry_run: bool


def options_of(body: Object, query: Mapping[str, str]) -> DeleteOptions:
    """The options of ``body`` (a DeleteOptions), completed from the query. Raises 400 or 422."""
    require(body, _SHAPE, "DeleteOptions")
    if (body.get("kind") or "DeleteOptions") != "DeleteOptions":
        raise bad_request("decoded object cannot be converted to DeleteOptions")
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    try:
        grace_s = None if grace is None else int(grace)
    except (TypeError, ValueError) as error:
        raise bad_request(
            f"gracePeriodSeconds must be a whole number of seconds, found {grace!r}"
        ) from error
    propagation = str(body.get("propagationPolicy") or query.get("propagationPolicy") or "")
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    if propagation and orphan is not None:
        both = "orphanDependents and deletionPropagation cannot be both set"
        raise invalid(
            "DeleteOptions", "meta.k8s.io", "", [wrong("propagationPolicy", propagation, both)]
        )
    if not propagation and orphan is not None:
        propagation = "Orphan" if str(orphan).lower() == "true" else "Background"
    if propagation and propagation not in _POLICIES:
        why = f'Unsupported value: "{propagation}": supported values: {", ".join(_POLICIES)}'
        raise ApiError(
            422, "Invalid", f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {why}'
        )
    dry = body.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    check_dry_run(list(dry))
    conditions = body.get("preconditions") or {}
    return DeleteOptions(
        grace_s=1 if grace_s is not None and grace_s < 0 else grace_s,
        propagation=propagation,
        uid=str(conditions.get("uid") or ""),
        resource_version=str(conditions.get("resourceVersion") or ""),
        dry_run=bool(dry),
    )
