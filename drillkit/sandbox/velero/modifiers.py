"""Resource modifiers: changes a restore makes to objects on their way in, from a
ConfigMap's rules.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from drillkit.sandbox.kube import patches
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import Object, labels_of
from drillkit.sandbox.kube.selectors import selects
from drillkit.sandbox.velero.archive import Item

_LITERAL = re.compile(
    r"^(true|false|null|-?\d+(\.\d+)?([eE][-+]?\d+)?|\{.*\}|\[.*\]|\".*\")$", re.DOTALL
)


class BadModifiers(Exception):
    """The ConfigMap does not hold valid rules."""


@dataclass(frozen=True)
class Rule:
    """One rule: which objects it means, as they were in the backup, and what it does to them."""

    group_resource: str
    name: re.Pattern[str] | None
    namespaces: tuple[str, ...]
    selector: Object | None
    matches: tuple[tuple[str, Any], ...]
    operations: list[Object]
    merges: list[Any]
    strategics: list[Any]

    def applies(self, item: Item) -> bool:
        """`namespaces` are those of the backup, not those the restore maps them to."""
        if not fnmatchcase(item.group_resource, self.group_resource):
            return False
        if self.namespaces and item.namespace not in self.namespaces:
            return False
        if self.name is not None and not self.name.search(item.name):
            return False
        if self.selector is not None and not selects(self.selector, labels_of(item.object)):
            return False
        return all(_holds(item.object, path, value) for path, value in self.matches)


def _holds(obj: Object, path: str, value: Any) -> bool:
    try:
        patches.operate(obj, [{"op": "test", "path": path, "value": value}])
    except ApiError:
        return False
    return True


def value_of(text: str) -> Any:
    """Values are written as text; what reads as a JSON literal is that literal, and quotes keep
    text text.
    """
    if text and _LITERAL.match(text):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _operation(patch: Object) -> Object:
    operation = {"op": patch["operation"], "path": patch["path"]}
    if "from" in patch:
        operation["from"] = patch["from"]
    if patch["operation"] in ("add", "replace", "test"):
        operation["value"] = value_of(patch.get("value", ""))
    return operation


def _rule(raw: Object) -> Rule:
    conditions = raw["conditions"]
    return Rule(
        group_resource=conditions["groupResource"],
        name=re.compile(conditions["resourceNameRegex"])
        if conditions.get("resourceNameRegex")
        else None,
        namespaces=tuple(conditions.get("namespaces") or ()),
        selector=conditions.get("labelSelector"),
        matches=tuple(
            (each["path"], value_of(each.get("value", "")))
            for each in conditions.get("matches") or ()
        ),
        operations=[_operation(patch) for patch in raw.get("patches") or ()],
        merges=[yaml.safe_load(each["patchData"]) for each in raw.get("mergePatches") or ()],
        strategics=[
            yaml.safe_load(each["patchData"]) for each in raw.get("strategicPatches") or ()
        ],
    )


def read(config_map: Object) -> list[Rule]:
    """The rules of a ConfigMap with exactly one key.  Raises BadModifiers."""
    data = config_map.get("data") or {}
    if len(data) != 1:
        raise BadModifiers(
            f"illegal resource modifiers configmap: expected one key in its data, found {len(data)}"
        )
    try:
        document = yaml.safe_load(next(iter(data.values())))
        if document["version"] != "v1":
            raise BadModifiers(f"unsupported resource modifier version {document['version']}")
        return [_rule(raw) for raw in document["resourceModifierRules"]]
    except (yaml.YAMLError, KeyError, TypeError, re.error) as error:
        raise BadModifiers(f"error in parsing resource modifiers: {error!r}") from error


def modify(rules: list[Rule], item: Item, obj: Object) -> Object:
    """`obj`, which came from `item`, after every rule that applies.  Raises ApiError for a patch
    that does not fit.
    """
    for rule in rules:
        if not rule.applies(item):
            continue
        if rule.operations:
            obj = patches.operate(obj, rule.operations)
        for merge in rule.merges:
            obj = patches.merge(obj, merge)
        for strategic in rule.strategics:
            obj = patches.strategic(obj, strategic)
    return obj
