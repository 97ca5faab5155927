"""What a plan says it needs suffices, and nothing of it may lack: roles made of exactly that."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from drillkit.model.permissions import AwsAction, Permission
from drillkit.spec.files import Found
from tests.conftest import CommandLine
from tests.drills.conftest import Playground, playing
from tests.drills.test_shipped import ALONE, arguments_of, must_be_met, named, sets_of
from tests.drills.wire import Wire

RBAC = "rbac.authorization.k8s.io"
ON_CLUSTER = [
    found
    for found in ALONE
    if "--aws" not in arguments_of(found) or "velero" in found.path.read_text()
]
"""Drills whose steps need anything of the cluster."""
REFUSED_IN_TIME = ("pod-delete", "node-drain", "scale-to-zero")
"""Drills of which each lack is not only planned but run, too."""


class Account:
    """A ServiceAccount with roles made of permissions, and the drills' only way into the sandbox.

    The administrator's kubeconfig stays beside, for whoever prepares and compares.
    """

    def __init__(self, world: Playground) -> None:
        self.kubeconfig = world.kubeconfig
        self.admin = self.kubeconfig.with_name("admin")
        self.admin.write_text(self.kubeconfig.read_text())
        self.kubectl("create", "serviceaccount", "drill", "-n", "drillkit")

    def kubectl(self, *words: str, given: Mapping[str, Any] | None = None) -> str:
        ran = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.admin), *words],
            capture_output=True,
            text=True,
            input=None if given is None else json.dumps(given),
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def enter(self) -> None:
        """From now on drills have this account's token."""
        token = self.kubectl("create", "token", "drill", "-n", "drillkit").strip()
        config = json.loads(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        self.kubeconfig.write_text(json.dumps(config))

    def grant(self, permissions: Iterable[Permission]) -> None:
        """Exactly these, and no others."""
        rules: dict[str, list[dict[str, Any]]] = {}
        for each in permissions:
            what = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
            rule = {"verbs": [each.verb], "apiGroups": [each.group], "resources": [what]}
            names = {"resourceNames": [each.name]} if each.name else {}
            rules.setdefault(each.namespace, []).append({**rule, **names})
        items = [one for where, given in rules.items() for one in _role(where, given)]
        self.kubectl("delete", "roles,rolebindings", "-A", "-l", "app=drill", "--ignore-not-found")
        self.kubectl(
            "delete", "clusterroles,clusterrolebindings", "-l", "app=drill", "--ignore-not-found"
        )
        if items:
            self.kubectl(
                "apply", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": items}
            )


def _role(namespace: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    meta = {"name": "drill", "labels": {"app": "drill"}}
    if namespace:
        meta["namespace"] = namespace
    kind = "Role" if namespace else "ClusterRole"
    subject = {"kind": "ServiceAccount", "name": "drill", "namespace": "drillkit"}
    head = {"apiVersion": f"{RBAC}/v1", "metadata": meta}
    reference = {"apiGroup": RBAC, "kind": kind, "name": "drill"}
    return [
        {**head, "kind": kind, "rules": rules},
        {**head, "kind": f"{kind}Binding", "roleRef": reference, "subjects": [subject]},
    ]


def planned(
    drillkit: CommandLine, found: Found
) -> tuple[list[Permission], list[Permission], list[AwsAction]]:
    """(what a plan needs, what it can do without, what it does in AWS)."""
    ran = drillkit("plan", found.name, "-t", "sandbox", "--json", *sets_of(found))
    assert ran.code == 0, ran.said
    plan = json.loads(ran.out)
    told = [
        *plan["needs"],
        *(each for step in plan["steps"] for each in step.get("permissions", ())),
    ]
    wishes = [each for step in plan["steps"] for each in step.get("wishes", ())]
    named = _permissions(told)
    needed = [each for each in named if not _covered(each, [n for n in named if n != each])]
    spared = [each for each in _permissions(wishes) if not _covered(each, needed)]
    return needed, spared, [AwsAction(each["action"]) for each in told if "action" in each]


def _covered(wish: Permission, needed: list[Permission]) -> bool:
    """Whether what is needed grants it: there or in every namespace, by its name or for any."""
    wider = (replace(wish, namespace=""), replace(wish, name=""))
    return any(each in needed for each in (wish, *wider, replace(wish, namespace="", name="")))


def _permissions(told: list[dict[str, Any]]) -> list[Permission]:
    """Without their reasons, so that one that two parts need stands once."""
    found = [Permission(**{**each, "reason": ""}) for each in told if "verb" in each]
    return list(dict.fromkeys(found))


def names(text: str, permission: Permission) -> bool:
    """Whether it is told that this one lacks: by us, or by the API when we could not even look."""
    by_api = f'cannot {permission.verb} resource "{permission.resource}'
    return f"not allowed to {permission}" in text or by_api in text


@pytest.mark.slow
@pytest.mark.parametrize("found", ON_CLUSTER, ids=named)
def test_what_a_plan_needs_suffices_and_each_lack_is_named_before_any_effect(
    found: Found, drillkit: CommandLine
) -> None:
    with playing(drillkit, "--audit", *arguments_of(found)) as world:
        needed, wishes, actions = planned(drillkit, found)
        assert len(needed) >= 5, "the lock and the identity at least"
        account = Account(world)
        account.grant(needed)
        account.enter()
        admin = Playground({**world.endpoints, "kubeconfig": str(account.admin)}, world.pid)
        before = admin.inventory()
        for lack in needed:
            account.grant(each for each in needed if each != lack)
            must_be_refused(found, drillkit, lack)
        for wish in wishes:
            account.grant([*needed, *(each for each in wishes if each != wish)])
            told = drillkit("plan", found.name, "-t", "sandbox", *sets_of(found))
            assert told.code == 0, told.said
            assert f"not allowed to {wish}" in told.out
        account.grant(needed)
        admin.must_be(before)
        wire = Wire(drillkit, world)
        must_be_met(found, drillkit, admin)
        wire.must_be(needed, actions)


def must_be_refused(found: Found, drillkit: CommandLine, lack: Permission) -> None:
    told = drillkit("plan", found.name, "-t", "sandbox", *sets_of(found))
    assert told.code == 4, f"without {lack}: {told.said}"
    assert names(told.out, lack), f"without {lack}: {told.said}"
    if found.name not in REFUSED_IN_TIME:
        return
    ran = drillkit("run", found.name, "-t", "sandbox", "--yes", *sets_of(found))
    assert ran.code == 4, f"without {lack}: {ran.said}"
    assert names(ran.said, lack), f"without {lack}: {ran.said}"
    assert [
        u for u in drillkit.verdict(found.name).get("undos", ()) if u["outcome"] != "never-happened"
    ] == []


@pytest.mark.slow
def test_a_run_that_fails_does_without_what_it_may_not_look_at(drillkit: CommandLine) -> None:
    (found,) = (each for each in ALONE if each.name == "pod-delete")
    (drillkit.folder / "impatient.yaml").write_text(
        found.path.read_text()
        .replace("drill: pod-delete", "drill: impatient")
        .replace("recovery: 2m", "recovery: 1ms")
    )
    with playing(drillkit) as world:
        needed, _, _ = planned(drillkit, found)
        account = Account(world)
        account.grant(needed)
        account.enter()
        path = str(drillkit.folder / "impatient.yaml")
        ran = drillkit("run", path, "-t", "sandbox", "--yes")
        assert ran.code in (1, 3), ran.said
        assert "Traceback" not in ran.said
