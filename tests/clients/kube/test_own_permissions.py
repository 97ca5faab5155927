"""What we may is found with few questions, and is never another answer than the cluster's own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from drillkit.clients.kube import Kube, Response
from drillkit.clients.kube.own_permissions import NOWHERE, OwnPermissions
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import DEPLOYMENTS, LEASES, NAMESPACES, NODES, PODS
from drillkit.clock import Fence
from drillkit.model.permissions import Permission
from drillkit.sandbox.kube import api
from drillkit.sandbox.kube.access import CLUSTER_ROLES, service_account
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Request
from tests.clients.kube.conftest import Ticks

DRILL = service_account("drillkit", "drill")
RULES, ACCESS = "selfsubjectrulesreviews", "selfsubjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
READS = needs("get list watch", PODS, "shop")
EFFECTS = needs("delete patch", PODS, "shop")


class Cluster:
    """The sandbox's API core, asked by a ServiceAccount; tells what was asked."""

    def __init__(self) -> None:
        self.store = Store()
        seed(self.store)
        self.store.create(("", "namespaces"), {"metadata": {"name": "shop"}})
        self.asked: list[str] = []
        self.kube = Kube(self, Ticks(), Fence(), "the drill")
        self._count = 0

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = 15.0,
    ) -> Response:
        """`Transport.send`, as the drill's account."""
        self.asked.append(path.rpartition("/")[2])
        answer = self._ask(method, path, body, caller=DRILL)
        return Response(answer.status, dict(answer.headers), answer.encode())

    def _ask(self, method: str, path: str, body: Any, **who: Any) -> Any:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return api.answer(self.store, Request(method, unquote(path), {}, headers, data, **who))

    def grant(self, *rules: tuple[str, str, str, str], at: str = "", role: str = "Role") -> None:
        """Verbs, group, resources and names, in a namespace or everywhere."""
        self._count += 1
        name = f"role-{self._count}"
        kind = role if at else "ClusterRole"
        home = f"/namespaces/{at}" if at else ""
        given = [
            {
                "verbs": verbs.split(),
                "apiGroups": [group],
                "resources": resources.split(),
                **({"resourceNames": names.split()} if names else {}),
            }
            for verbs, group, resources, names in rules
        ]
        place = f"{RBAC}{home if kind == 'Role' else ''}/{kind.lower()}s"
        self._made(place, {"metadata": {"name": name}, "rules": given})
        subject = {"kind": "ServiceAccount", "name": "drill", "namespace": "drillkit"}
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [subject],
        }
        self._made(f"{RBAC}{home}/{'role' if at else 'clusterrole'}bindings", binding)

    def _made(self, path: str, body: Any) -> None:
        answer = self._ask("POST", path, body)
        assert answer.status == 201, answer.body


@pytest.fixture
def cluster() -> Cluster:
    """One where the drill's account may nothing yet."""
    return Cluster()


def test_the_answer_is_the_clusters_own_whatever_the_roles_say(cluster: Cluster) -> None:
    cluster.grant(("get list", "", "pods pods/log", ""), ("*", "apps", "*", ""), at="shop")
    cluster.grant(("get patch delete", "coordination.k8s.io", "leases", "drillkit"), at="drillkit")
    cluster.grant(("create", "", "*/eviction", ""), ("get", "", "pods", "*"), at="drillkit")
    # A ClusterRole bound in one namespace grants nothing of the cluster, whatever it names.
    cluster.grant(("*", "*", "nodes pods", ""), at="default", role="ClusterRole")
    cluster.grant(("list", "", "nodes", ""), ("get", "*", "namespaces", "kube-system"))
    wanted = [
        Permission(verb, resource, group, part, namespace, name)
        for verb, (group, resource, part), namespace, name in itertools.product(
            ("get", "list", "create", "delete", "patch"),
            [
                ("", "pods", ""),
                ("", "pods", "log"),
                ("", "pods", "eviction"),
                ("", "nodes", ""),
                ("", "namespaces", ""),
                ("apps", "deployments", ""),
                ("apps", "deployments", "scale"),
                ("coordination.k8s.io", "leases", ""),
            ],
            ("", "shop", "drillkit", "default", "kube-system"),
            ("", "drillkit", "kube-system"),
        )
    ]
    own = OwnPermissions(cluster.kube)
    said = {each for each in wanted if own.may(each)}
    assert said == {each for each in wanted if cluster.kube.may(each)}
    assert 0 < len(said) < len(wanted)


def test_a_namespace_is_asked_about_once_and_a_refusal_by_itself(cluster: Cluster) -> None:
    cluster.grant(("*", "*", "*", ""), at="shop")
    cluster.grant(("get list", "", "nodes", ""))
    own = OwnPermissions(cluster.kube)
    assert own.lacking((*READS, *EFFECTS, *needs("patch", DEPLOYMENTS, "shop"))) == []
    assert cluster.asked == [RULES]
    assert own.lacking(needs("get list", NODES)) == []
    assert cluster.asked == [RULES, RULES]
    lacking = needs("patch", NODES)
    assert own.lacking((*lacking, *needs("get", NODES))) == list(lacking)
    assert cluster.asked == [RULES, RULES, ACCESS]


def test_what_is_taken_away_is_noticed_by_the_next_look(cluster: Cluster) -> None:
    cluster.grant(("delete", "", "pods", ""), at="shop")
    assert OwnPermissions(cluster.kube).lacking(needs("delete", PODS, "shop")) == []
    cluster.store.delete(("rbac.authorization.k8s.io", "rolebindings"), "shop", "role-1")
    wanted = needs("delete", PODS, "shop")
    assert OwnPermissions(cluster.kube).lacking(wanted) == list(wanted)


def test_an_authorizer_that_denies_what_the_roles_grant_is_asked_about_each_effect(
    cluster: Cluster,
) -> None:
    cluster.grant(("*", "*", "*", ""))
    cluster.store.policy = lambda access: access.verb != "delete" or access.namespace != "shop"
    own = OwnPermissions(cluster.kube)
    assert own.lacking((*READS, *EFFECTS)) == [EFFECTS[0]]
    assert cluster.asked == [RULES, ACCESS, ACCESS]


def test_where_rules_may_not_be_asked_for_each_is_asked_by_itself(cluster: Cluster) -> None:
    basic = cluster.store.need(CLUSTER_ROLES, "", "system:basic-user")
    basic["rules"][0]["resources"] = [ACCESS]
    cluster.store.update(CLUSTER_ROLES, basic)
    cluster.grant(("get list watch delete", "", "pods", ""), at="shop")
    own = OwnPermissions(cluster.kube)
    assert own.lacking((*READS, *EFFECTS)) == [EFFECTS[1]]
    assert cluster.asked == [RULES, *[ACCESS] * 5]


def test_no_namespace_can_be_called_what_stands_for_none(cluster: Cluster) -> None:
    answer = cluster._ask("POST", "/api/v1/namespaces", {"metadata": {"name": NOWHERE}})
    assert answer.status == 422
    cluster.grant(("get", "", "namespaces", "kube-system"))
    wanted = (*needs("get", NAMESPACES, name="kube-system"), *needs("create", LEASES, "drillkit"))
    assert OwnPermissions(cluster.kube).lacking(wanted) == [wanted[1]]
