"""A ServiceAccount with roles made of permissions, and what a plan says that a drill needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from drillkit.model.permissions import AwsAction, Permission
from drillkit.spec.files import FoundFile
from tests.conftest import CommandLine
from tests.drills.conftest import Playground
from tests.drills.inventory import Api
from tests.drills.shipped import sets_of

RBAC = "rbac.authorization.k8s.io"
NAMESPACE = "drillkit"
TOKEN_S = 24 * 60 * 60
"""Longer than any drill and its clean-up may take: one that ends before is refused."""


class Account:
    """A ServiceAccount, and the drills' only way into the sandbox once it has entered.

    The administrator's kubeconfig stays beside, for whoever prepares and compares.
    """

    def __init__(self, world: Playground, name: str = "drill") -> None:
        self.name = name
        self.kubeconfig = world.kubeconfig
        self.admin = self.kubeconfig.with_name("admin")
        if not self.admin.exists():
            self.admin.write_text(self.kubeconfig.read_text())
        self._api = Api(self.admin)
        self._granted: dict[str, list[dict[str, Any]]] = {}
        self._send(
            "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}}
        )

    def enter(self) -> None:
        """From now on drills have this account's token."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{self.name}/token"
        spec = {"expirationSeconds": TOKEN_S}
        token = self._send("POST", path, {"spec": spec})["status"]["token"]
        config = json.loads(self.admin.read_text())
        config["users"][0]["user"] = {"token": token}
        self.kubeconfig.write_text(json.dumps(config))

    def leave(self) -> None:
        """Drills have the administrator's certificate again, and the account is gone."""
        self.kubeconfig.write_text(self.admin.read_text())
        for where in self._granted:
            for path in (_path(where, "rolebindings"), _path(where, "roles")):
                self._send("DELETE", f"{path}/{self.name}")
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{self.name}"
        self._send("DELETE", path)
        self._api.close()

    def grant(self, permissions: Iterable[Permission]) -> None:
        """Exactly these, and no others."""
        rules: dict[str, list[dict[str, Any]]] = {where: [] for where in self._granted}
        for each in permissions:
            what = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
            rule = {"verbs": [each.verb], "apiGroups": [each.group], "resources": [what]}
            names = {"resourceNames": [each.name]} if each.name else {}
            rules.setdefault(each.namespace, []).append({**rule, **names})
        for where, given in rules.items():
            if self._granted.get(where) != given:
                self._role(where, given)
        self._granted = rules

    def _role(self, where: str, rules: list[dict[str, Any]]) -> None:
        role = {"metadata": {"name": self.name}, "rules": rules}
        if where in self._granted:
            self._send("PUT", f"{_path(where, 'roles')}/{self.name}", role)
            return
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": NAMESPACE}
        kind = "Role" if where else "ClusterRole"
        binding = {
            "metadata": {"name": self.name},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": self.name},
            "subjects": [subject],
        }
        self._send("POST", _path(where, "roles"), role)
        self._send("POST", _path(where, "rolebindings"), binding)

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        status, answer = self._api.send(method, path, body)
        assert status in (200, 201, 202), answer
        return answer


def _path(namespace: str, plural: str) -> str:
    scope = f"namespaces/{namespace}/{plural}" if namespace else f"cluster{plural}"
    return f"/apis/{RBAC}/v1/{scope}"


def planned(
    drillkit: CommandLine, found: FoundFile
) -> tuple[list[Permission], list[Permission], list[AwsAction]]:
    """(what a plan needs, what it can do without, what it does in AWS)."""
    ran = drillkit("plan", found.name, "-t", "sandbox", "--json", *sets_of(found))
    plan = json.loads(ran.out)
    # What people do by hand keeps a drill from running alone, and from nothing else.
    beyond = [each for each in plan["problems"] if "needs people" not in each]
    assert (ran.code, beyond) == (4 if plan["problems"] else 0, []), ran.said
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
