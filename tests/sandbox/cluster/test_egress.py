"""NetworkPolicies for egress: which pods they bind, what they open, and what of it one machine
can keep.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from drillkit.sandbox.cluster.child import nc
from drillkit.sandbox.cluster.kubelet import egress
from drillkit.sandbox.cluster.kubelet.tools import furnish
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.store import Store

POLICIES = ("networking.k8s.io", "networkpolicies")


@pytest.fixture
def store() -> Store:
    made = Store()
    seed(made)
    made.create(("", "namespaces"), {"metadata": {"name": "dr"}})
    return made


def pod(store: Store, name: str = "tool", namespace: str = "dr") -> dict:
    spec = {"containers": [{"name": name, "image": "busybox"}]}
    return store.create(
        ("", "pods"), {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}, namespace
    )


def deny(store: Store, egress_rules: list, selector: dict | None = None) -> None:
    spec = {"podSelector": selector or {}, "policyTypes": ["Egress"], "egress": egress_rules}
    store.create(
        POLICIES, {"metadata": {"name": f"p{len(store.list(POLICIES))}"}, "spec": spec}, "dr"
    )


def test_a_pod_that_no_policy_selects_reaches_everything(store: Store) -> None:
    deny(store, [], {"matchLabels": {"app": "other"}})
    assert egress.openings(store, pod(store)) is None
    assert egress.openings(store, pod(store, namespace="default")) is None


def test_policies_add_up_and_a_rule_for_pods_opens_no_address(store: Store) -> None:
    deny(store, [{"to": [{"podSelector": {}}]}])
    assert egress.openings(store, pod(store)) == []
    block = {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 5432}],
    }
    deny(store, [block])
    assert egress.openings(store, pod(store, "second")) == [("10.0.0.7/32", 5432)]
    deny(store, [{}])
    assert egress.ANYWHERE in (egress.openings(store, pod(store, "third")) or [])


def test_a_policy_for_ingress_alone_binds_no_egress(store: Store) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    store.create(POLICIES, {"metadata": {"name": "in"}, "spec": spec}, "dr")
    assert egress.openings(store, pod(store)) is None


def test_a_network_that_knows_no_policies_can_be_had(store: Store) -> None:
    deny(store, [])
    knobs = {"metadata": {"name": "sandbox-cluster-knobs"}, "data": {"network-policies": "ignored"}}
    store.create(("", "configmaps"), knobs, "kube-system")
    assert egress.openings(store, pod(store)) is None


def test_a_command_that_may_reach_nothing_is_told_so_and_loses_its_network_where_that_is_possible() -> (  # noqa: E501
    None
):
    env: dict[str, str] = {}
    argv = egress.confined(["true"], env, [])
    assert argv[-1] == "true"
    assert argv[:-1] == list(egress._isolation())
    assert json.loads(env[egress.VARIABLE]) == []
    free: dict[str, str] = {}
    assert egress.confined(["true"], free, None) == ["true"]
    assert free == {}


def test_nc_keeps_to_what_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(egress.VARIABLE, raising=False)
    assert nc.allowed("10.0.0.7", 5432)
    monkeypatch.setenv(egress.VARIABLE, json.dumps([["10.0.0.0/24", 5432]]))
    assert nc.allowed("10.0.0.7", 5432)
    assert not nc.allowed("10.0.0.7", 443)
    assert not nc.allowed("10.0.1.7", 5432)


def test_nc_succeeds_when_it_is_connected_and_fails_when_not(tmp_path: Path) -> None:
    tool = str(furnish(tmp_path / "tools") / "nc")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert subprocess.run([tool, "-w", "2", "127.0.0.1", port], check=False).returncode == 0
        sealed = {"PATH": "/usr/bin:/bin", egress.VARIABLE: "[]"}
        refused = subprocess.run(
            [tool, "-z", "127.0.0.1", port], check=False, env=sealed, capture_output=True
        )
        assert refused.returncode == 1
    assert (
        subprocess.run([tool, "127.0.0.1", port], check=False, capture_output=True).returncode == 1
    )
