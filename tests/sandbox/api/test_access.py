"""Roles bite: what a ServiceAccount may do is what its bindings say, in Kubernetes' own words."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from drillkit.sandbox.kube.access import service_account
from drillkit.sandbox.kube.objects import ACCOUNTS
from drillkit.sandbox.kube.seed import seed

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PODS_PATH = "/api/v1/namespaces/shop/pods"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DRILL = service_account("drillkit", "drill")
SUBJECT = {"kind": "ServiceAccount", "name": "drill", "namespace": "drillkit"}


class Roles:
    """Grants rules to the ServiceAccount drillkit/drill."""

    def __init__(self, api) -> None:
        self.api = api
        self.count = 0

    def grant(self, *rules, namespace="", kind=None, subject=SUBJECT):
        self.count += 1
        name = f"role-{self.count}"
        kind = kind or ("Role" if namespace else "ClusterRole")
        home = f"/namespaces/{namespace}" if namespace else ""
        place = f"{RBAC}{home if kind == 'Role' else ''}/{kind.lower()}s"
        self.api.made(place, {"metadata": {"name": name}, "rules": list(rules)})
        binding = {
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": kind,
                "name": name,
            },
            "subjects": [subject],
        }
        self.api.made(f"{RBAC}{home}/{'role' if home else 'clusterrole'}bindings", binding)
        return name


@pytest.fixture
def roles(another_api):
    api = another_api()
    seed(api.store)
    api.made("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    return Roles(api)


def rule(verbs, resources, groups="", names=()):
    found = {
        "verbs": verbs.split(),
        "apiGroups": [groups],
        "resources": resources.split(),
    }
    return {**found, "resourceNames": list(names)} if names else found


def status(roles, method, path, body=None, **params):
    return roles.api.call(method, path, body, caller=DRILL, **params).status


def may(roles, **attributes):
    body = {"spec": {"resourceAttributes": attributes}}
    answer = roles.api.call("POST", REVIEWS, body, caller=DRILL)
    assert answer.status == 201, answer.body
    return answer.body["status"]["allowed"]


def test_without_a_role_nothing_is_allowed_but_to_ask(roles):
    answer = roles.api.call("GET", PODS_PATH, caller=DRILL)
    assert answer.status == 403
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods is forbidden: User "system:serviceaccount:drillkit:drill" cannot list '
        'resource "pods" in API group "" in the namespace "shop"',
        "reason": "Forbidden",
        "details": {"kind": "pods"},
        "code": 403,
    }
    assert not may(roles, verb="list", resource="pods", namespace="shop")
    assert status(roles, "GET", "/apis/apps/v1") == 200
    assert status(roles, "GET", "/version") == 200
    assert status(roles, "GET", "/metrics") == 403


def test_the_words_of_a_refusal_name_subresource_group_and_scope(roles):
    def told(method, path, body=None):
        answer = roles.api.call(method, path, body, caller=DRILL)
        assert answer.status == 403
        return answer.body["message"].replace(DRILL.name, "ME"), answer.body["details"]

    assert told("POST", f"{PODS_PATH}/web-1/eviction", {}) == (
        'pods "web-1" is forbidden: User "ME" cannot create resource "pods/eviction" '
        'in API group "" in the namespace "shop"',
        {"name": "web-1", "kind": "pods"},
    )
    assert told("GET", "/apis/apps/v1/deployments") == (
        'deployments.apps is forbidden: User "ME" cannot list resource "deployments" '
        'in API group "apps" at the cluster scope',
        {"group": "apps", "kind": "deployments"},
    )
    assert told("GET", "/api/v1/namespaces/kube-system") == (
        'namespaces "kube-system" is forbidden: User "ME" cannot get resource "namespaces" '
        'in API group "" in the namespace "kube-system"',
        {"name": "kube-system", "kind": "namespaces"},
    )
    assert told("GET", "/logs")[0] == 'forbidden: User "ME" cannot get path "/logs"'


def test_a_role_gives_its_verbs_in_its_namespace_only(roles):
    roles.grant(rule("list delete", "pods"), namespace="shop")
    assert status(roles, "GET", PODS_PATH) == 200
    assert status(roles, "GET", "/api/v1/namespaces/default/pods") == 403
    assert status(roles, "GET", "/api/v1/pods") == 403
    assert status(roles, "GET", f"{PODS_PATH}/web") == 403
    assert status(roles, "GET", PODS_PATH, watch="1") == 403
    assert status(roles, "DELETE", f"{PODS_PATH}/web") == 404, "allowed, but there is none"
    assert status(roles, "DELETE", PODS_PATH) == 403, "deletecollection is another verb"


def test_a_subresource_is_another_resource(roles):
    roles.grant(rule("create get", "pods"), namespace="shop")
    assert status(roles, "GET", f"{PODS_PATH}/web/log") == 403
    roles.grant(rule("create", "*/eviction"), rule("get", "pods/log"), namespace="shop")
    assert status(roles, "GET", f"{PODS_PATH}/web/log") == 404
    assert status(roles, "POST", f"{PODS_PATH}/web/eviction", {}) == 404


def test_names_narrow_a_rule(roles):
    roles.grant(rule("get list", "configmaps", names=["mine"]), namespace="shop")
    maps = "/api/v1/namespaces/shop/configmaps"
    assert status(roles, "GET", f"{maps}/mine") == 404
    assert status(roles, "GET", f"{maps}/other") == 403
    assert status(roles, "GET", maps) == 403


def test_a_cluster_role_reaches_as_far_as_its_binding(roles):
    roles.grant(rule("list", "pods"), namespace="shop", kind="ClusterRole")
    assert status(roles, "GET", PODS_PATH) == 200
    assert status(roles, "GET", "/api/v1/pods") == 403
    roles.grant(rule("list", "pods"))
    assert status(roles, "GET", "/api/v1/pods") == 200


def test_a_namespace_lies_in_itself_so_a_role_there_lets_it_be_read(roles):
    roles.grant(rule("get", "namespaces", names=["kube-system"]), namespace="kube-system")
    assert status(roles, "GET", "/api/v1/namespaces/kube-system") == 200
    assert status(roles, "GET", "/api/v1/namespaces/default") == 403
    assert status(roles, "GET", "/api/v1/namespaces") == 403


def test_groups_are_subjects_and_a_binding_to_a_role_that_is_absent_says_so(roles):
    roles.grant(rule("list", "nodes"), subject={"kind": "Group", "name": "system:serviceaccounts"})
    assert status(roles, "GET", "/api/v1/nodes") == 200
    name = roles.grant(rule("list", "secrets"))
    roles.api.delete(f"{RBAC}/clusterroles/{name}")
    answer = roles.api.call("GET", "/api/v1/secrets", caller=DRILL)
    assert answer.body["message"].endswith(
        f'at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "{name}" not found'
    )


def test_reviews_agree_with_what_is_enforced(roles):
    name = roles.grant(rule("get", "pods/log"), rule("patch", "nodes"), namespace="shop")
    assert may(roles, verb="get", resource="pods", subresource="log", namespace="shop", name="web")
    assert not may(roles, verb="get", resource="pods", namespace="shop")
    assert not may(roles, verb="patch", resource="nodes"), "bound in a namespace only"
    body = {"spec": {"resourceAttributes": {"verb": "patch", "resource": "nodes"}}}
    body["spec"]["resourceAttributes"]["namespace"] = "shop"
    told = roles.api.call("POST", REVIEWS, body, caller=DRILL).body["status"]
    assert told == {
        "allowed": True,
        "reason": f'RBAC: allowed by RoleBinding "{name}/shop" of Role "{name}" '
        'to ServiceAccount "drill/drillkit"',
    }
    path = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/apis/apps"}}}
    assert roles.api.call("POST", REVIEWS, path, caller=DRILL).body["status"]["allowed"]


def test_the_rules_review_lists_them(roles):
    granted = rule("get", "pods/log")
    roles.grant(granted, namespace="shop")
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

    def listed(namespace):
        body = {"spec": {"namespace": namespace}}
        return roles.api.call("POST", path, body, caller=DRILL).body["status"]

    assert granted in listed("shop")["resourceRules"]
    assert granted not in listed("default")["resourceRules"]
    assert listed("shop")["incomplete"] is False
    everything = roles.api.post(path, {"spec": {"namespace": "shop"}}).body["status"]
    assert everything["resourceRules"][0]["verbs"] == ["*"]
    assert roles.api.post(path, {"spec": {}}).status == 400


def test_what_is_not_served_is_forbidden_before_it_is_not_found(roles):
    path = "/apis/chaos-mesh.org/v1alpha1/namespaces/shop/networkchaos"
    assert status(roles, "GET", path) == 403
    roles.grant(rule("list", "networkchaos", "chaos-mesh.org"), namespace="shop")
    assert status(roles, "GET", path) == 404


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("clusterroles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "verbs"),
        ("clusterroles", {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}, "apiGroups"),
        ("clusterrolebindings", {"roleRef": {"kind": "Role", "name": "x"}}, "roleRef.kind"),
        (
            "clusterrolebindings",
            {
                "roleRef": {"kind": "ClusterRole", "name": "x"},
                "subjects": [{"kind": "ServiceAccount", "name": "x"}],
            },
            "subjects[0].namespace",
        ),
    ],
)
def test_a_role_that_says_nothing_is_refused(roles, kind, body, field):
    answer = roles.api.post(f"{RBAC}/{kind}", {"metadata": {"name": "x"}, **body})
    assert answer.status == 422
    assert field in answer.body["message"]


def account(served, name="drill", namespace="default"):
    served.do(served.store.create, ACCOUNTS, {"metadata": {"name": name}}, namespace)


def kubectl(served, *words, token=None, check=True):
    connection = ["--kubeconfig", str(served.kubeconfig)]
    if token:
        # A kubeconfig's own token would win over --token's user otherwise.
        connection += ["--token", token]
    ran = subprocess.run(
        ["kubectl", *connection, *words],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "KUBECACHEDIR": str(served.folder / "cache")},
    )
    assert not check or ran.returncode == 0, ran.stderr
    return ran


def test_kubectl_makes_a_token_and_lives_by_its_roles(served):
    account(served)
    token = kubectl(served, "create", "token", "drill").stdout.strip()
    assert token.count(".") == 2
    refused = kubectl(served, "get", "pods", token=token, check=False)
    assert refused.returncode == 1
    assert (
        'pods is forbidden: User "system:serviceaccount:default:drill" cannot list resource "pods"'
        in refused.stderr
    )
    kubectl(served, "create", "role", "reader", "--verb=list,get", "--resource=pods")
    kubectl(
        served, "create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:drill"
    )
    assert "No resources found" in kubectl(served, "get", "pods", token=token).stderr
    assert kubectl(served, "auth", "can-i", "list", "pods", token=token).stdout == "yes\n"
    no = kubectl(served, "auth", "can-i", "delete", "pods", token=token, check=False)
    assert no.stdout == "no\n"
    listed = kubectl(served, "auth", "can-i", "--list", token=token).stdout
    assert "pods" in listed
    assert "[get list]" in listed or "[list get]" in listed
    who = kubectl(served, "auth", "whoami", "-o", "json", token=token).stdout
    assert json.loads(who)["status"]["userInfo"]["username"].endswith(":default:drill")
    played = "--as=system:serviceaccount:default:drill"
    assert "forbidden" in kubectl(served, "get", "nodes", played, check=False).stderr


def test_a_token_ends_with_its_account(served):
    account(served)
    path = "/api/v1/namespaces/default/serviceaccounts/drill/token"
    made = served.ask("POST", path, {"spec": {"expirationSeconds": 600}})[1]
    token = made["status"]["token"]
    assert served.ask("GET", "/version", token=token)[0] == 200
    assert served.ask("GET", "/version", token=token[:-2])[0] == 401
    assert served.ask("GET", "/metrics", token=token)[0] == 403
    assert served.ask("POST", path, {"spec": {"expirationSeconds": 5}})[0] == 422
    served.do(served.store.delete, ACCOUNTS, "default", "drill")
    account(served)
    assert served.ask("GET", "/version", token=token)[0] == 401
