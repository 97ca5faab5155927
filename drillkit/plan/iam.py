"""An IAM policy for one drill: it looks, makes what carries the mark of a run, and changes and
deletes nothing else.

Which resources an action is checked against, and which of them know tags: AWS' Service
Authorization Reference, Amazon RDS and Amazon ElastiCache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from drillkit.clients.aws.ownership import RUN
from drillkit.lazy_dataclass import dataclass
from drillkit.model.permissions import AwsAction
from drillkit.model.target import AwsTarget

MARKED = f"aws:ResourceTag/{RUN}"
MARKS = f"aws:RequestTag/{RUN}"
LOOKS = ("Describe", "List", "Get")
MAKES = ("Create", "Restore", "Copy", "AddTags")
CHANGES = ("Modify", "Delete", "Reboot")
TYPES = {
    "rds:DBInstance": "db",
    "rds:DBCluster": "cluster",
    "rds:DBParameterGroup": "pg",
    "rds:DBClusterParameterGroup": "cluster-pg",
    "rds:DBSnapshot": "snapshot",
    "rds:DBClusterSnapshot": "cluster-snapshot",
    "elasticache:ReplicationGroup": "replicationgroup",
    "elasticache:Snapshot": "snapshot",
}
"""What an action's last word names, as ARNs have it."""
PARTS = {
    "rds:ModifyDBInstance": ("og", "pg", "secgrp", "subgrp"),
    "rds:ModifyDBCluster": ("cluster-pg", "og", "pg"),
    "rds:DeleteDBCluster": ("cluster-snapshot",),
}
"""What a change is checked against besides what is changed; it carries no mark of ours."""
MADE_OF = {
    "elasticache:CreateReplicationGroup": (
        "cluster",
        "parametergroup",
        "securitygroup",
        "snapshot",
        "subnetgroup",
        "usergroup",
    ),
    "elasticache:CreateSnapshot": ("cluster", "replicationgroup"),
}
"""What something is made of, where the tags of the request count for what is made alone. RDS counts
them for everything.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    sid: str
    why: str
    actions: tuple[AwsAction, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]
    """Operator to key to value."""


def statements(actions: Iterable[AwsAction], target: AwsTarget) -> tuple[Statement, ...]:
    """A policy's statements, in a fixed order."""
    wanted = list(actions)
    return tuple(
        statement
        for make in (_looks, _makes, _own, _parts, _pinned, _keys, _grants, _others)
        for statement in make(wanted, target)
    )


def iam_policy(actions: Iterable[AwsAction], target: AwsTarget) -> str:
    """The policy as JSON, which has no comments: a statement's Sid says what it is for."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": each.sid,
                "Effect": "Allow",
                "Action": [action.action for action in each.actions],
                "Resource": list(each.resources),
                **({"Condition": each.conditions} if each.conditions else {}),
            }
            for each in statements(actions, target)
        ],
    }
    return json.dumps(policy, indent=2) + "\n"


def arns(service: str, type_: str, name: str, target: AwsTarget) -> tuple[str, ...]:
    """ARNs of resources of a type in the regions of a target; `name` may be `*`."""
    regions = dict.fromkeys(filter(None, (target.region, target.dr_region)))
    return tuple(
        f"arn:{_partition(region)}:{service}:{region}:{target.account}:{type_}:{name}"
        for region in regions
    )


def kind_of(action: AwsAction) -> str:
    """`looks`, `makes`, `own`, `pinned`, `grant`, `key` or `other`."""
    service, _, verb = action.action.partition(":")
    if action.resource:
        return "pinned"
    if service == "kms":
        return "grant" if verb == "CreateGrant" else "key"
    if verb.startswith(LOOKS):
        return "looks"
    if service in ("rds", "elasticache") and verb.startswith(MAKES):
        return "makes"
    return "own" if type_of(action) else "other"


def type_of(action: AwsAction) -> str:
    """The type of what an action changes or deletes, as ARNs have it; '' when that is not known."""
    service, _, verb = action.action.partition(":")
    for word in CHANGES:
        if verb.startswith(word):
            return TYPES.get(f"{service}:{verb.removeprefix(word)}", "")
    return ""


def _of(kind: str, actions: Iterable[AwsAction]) -> tuple[AwsAction, ...]:
    return tuple(each for each in actions if kind_of(each) == kind)


Maker = Callable[[list[AwsAction], AwsTarget], Iterator[Statement]]


def _looks(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    if found := _of("looks", actions):
        yield Statement("Look", "looks, and changes nothing", found, ("*",), {})


def _makes(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    why = "makes copies and backups, each with the mark of its run"
    marked = {"StringLike": {MARKS: "?*"}}
    found = _of("makes", actions)
    if whole := tuple(each for each in found if each.action not in MADE_OF):
        yield Statement("MakeMarked", why, whole, ("*",), marked)
    for each in found:
        if each.action not in MADE_OF:
            continue
        service, _, verb = each.action.partition(":")
        type_ = TYPES[f"{service}:{verb.removeprefix('Create')}"]
        word = type_.capitalize()
        where = arns(service, type_, "*", target)
        yield Statement(f"MakeMarked{word}", why, (each,), where, marked)
        parts = tuple(
            arn for part in MADE_OF[each.action] for arn in arns(service, part, "*", target)
        )
        of = f"what a {type_} is made of; itself it must carry the mark"
        yield Statement(f"PartsOf{word}", of, (each,), parts, {})


def _own(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    by_type: dict[tuple[str, str], list[AwsAction]] = {}
    for each in _of("own", actions):
        service = each.action.partition(":")[0]
        by_type.setdefault((service, type_of(each)), []).append(each)
    for (service, type_), found in by_type.items():
        words = "".join(word.capitalize() for word in (service, *type_.split("-")))
        why = "changes and deletes only what carries the mark of a run"
        where = arns(service, type_, "*", target)
        conditions = {"StringLike": {MARKED: "?*"}}
        yield Statement(f"OwnOnly{words}", why, tuple(found), where, conditions)


def _parts(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    found = tuple(each for each in _of("own", actions) if each.action in PARTS)
    if found:
        parts = sorted({part for each in found for part in PARTS[each.action]})
        where = tuple(arn for part in parts for arn in arns("rds", part, "*", target))
        why = "what its own copies refer to; the copy itself must carry the mark"
        yield Statement("PartsOfOwnCopies", why, found, where, {})


def _pinned(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    by_resource: dict[str, list[AwsAction]] = {}
    for each in _of("pinned", actions):
        by_resource.setdefault(each.resource, []).append(each)
    for number, (resource, found) in enumerate(by_resource.items(), 1):
        service, _, verb = found[0].action.partition(":")
        looks = verb.startswith(LOOKS)
        why = f"{'looks at' if looks else 'disturbs'} {resource} and no other"
        sid = f"{'LookAt' if looks else 'Disturb'}{number}"
        yield Statement(sid, why, tuple(found), _pinned_arns(service, resource, target), {})


def _pinned_arns(service: str, resource: str, target: AwsTarget) -> tuple[str, ...]:
    if service == "s3":  # in no region and no account
        return (f"arn:{_partition(target.region)}:s3:::{resource}",)
    type_, _, name = resource.partition(":")
    return arns(service, type_, name, target)[:1]


def _through(target: AwsTarget) -> dict[str, Any]:
    regions = dict.fromkeys(filter(None, (target.region, target.dr_region)))
    via = [f"rds.{region}.{_domain(region)}" for region in regions]
    return {"StringEquals": {"kms:ViaService": via}}


def _keys(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    if found := _of("key", actions):
        why = "keys of what is encrypted, used by RDS and not by itself"
        yield Statement("KeysThroughRds", why, found, ("*",), _through(target))


def _grants(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    if found := _of("grant", actions):
        why = "RDS goes on using the key for the copy"
        conditions = {**_through(target), "Bool": {"kms:GrantIsForAWSResource": "true"}}
        yield Statement("GrantsForRds", why, found, ("*",), conditions)


def _others(actions: list[AwsAction], target: AwsTarget) -> Iterator[Statement]:
    if found := _of("other", actions):
        why = "named by a step whose marks are not known: narrow it by hand"
        yield Statement("NarrowByHand", why, found, ("*",), {})


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
