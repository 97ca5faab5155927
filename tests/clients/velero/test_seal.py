"""The seal: what it lets through, and the pods that prove it."""

from __future__ import annotations

import pytest

from drillkit.clients.kube.resources import NETWORK_POLICIES
from drillkit.clients.velero import scratch_undo
from drillkit.clients.velero.resources import SEAL_POLICY
from drillkit.clients.velero.seal import opening, policy, probe, stands
from drillkit.model.errors import NotOurs, UsageError
from drillkit.steps.velero.isolation import sealing
from tests.clients.velero.conftest import World


def test_a_sealed_namespace_reaches_itself_and_nothing_else() -> None:
    spec = policy(())["spec"]
    assert spec == {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {}}]}],
    }


def test_dns_and_a_restored_database_can_be_opened_one_port_each() -> None:
    rules = policy([opening("dns"), opening("10.0.0.7:5432"), opening("10.1.0.0/16:6379")])["spec"][
        "egress"
    ][1:]
    assert {p["protocol"] for p in rules[0]["ports"]} == {"TCP", "UDP"}
    assert rules[0]["ports"][0]["port"] == 53
    assert rules[1] == {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 5432}],
    }
    assert rules[2]["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]


def test_a_name_is_looked_up_since_a_policy_needs_addresses() -> None:
    assert "127.0.0.1/32" in opening("localhost:5432").blocks


@pytest.mark.parametrize(
    "text", ["db", "10.0.0.7", "10.0.0.7:", "10.0.0.7:http", "10.0.0.7:70000", ":5432"]
)
def test_what_is_no_address_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        opening(text)


def test_an_endpoint_that_is_opened_proves_nothing_and_is_refused() -> None:
    with pytest.raises(UsageError, match="would show nothing"):
        sealing(["10.0.0.0/8:443"], "10.1.2.3:443", "busybox")
    assert sealing(["10.0.0.0/8:443"], "10.1.2.3:5432", "busybox").reach == "10.1.2.3:5432"


def test_the_policy_is_made_with_the_namespace_and_goes_with_it(world: World) -> None:
    stage = world.stage
    world.velero.open_scratch(stage.book.plan(scratch_undo("dr", stage.run)), [opening("dns")])
    assert stands(stage.kube, "dr", stage.run)
    assert not stands(stage.kube, "dr", "another-run")
    found = stage.kube.get(NETWORK_POLICIES, SEAL_POLICY, "dr")
    assert found["spec"]["policyTypes"] == ["Egress"]


def test_a_namespace_of_somebody_else_is_not_sealed(world: World) -> None:
    world.store.create(("", "namespaces"), {"metadata": {"name": "dr"}})
    with pytest.raises(NotOurs):
        world.velero.open_scratch(world.stage.book.plan(scratch_undo("dr", world.stage.run)), ())
    assert world.stage.kube.find(NETWORK_POLICIES, SEAL_POLICY, "dr") is None


def test_a_probe_may_run_under_the_strictest_pod_security_and_ends_by_itself() -> None:
    spec = probe("busybox", "10.0.0.1:443", reach=False)["spec"]
    context = spec["containers"][0]["securityContext"]
    assert context["runAsNonRoot"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["automountServiceAccountToken"] is False
    assert "10.0.0.1" in spec["containers"][0]["command"][2]
