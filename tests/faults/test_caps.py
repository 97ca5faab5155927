"""What a target's caps keep is kept: when it is planned, and again at the effect."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.chaostoolkit.dangerous import danger
from drillkit.clients.elasticache import DeleteReplicationGroup
from drillkit.clients.kube.irreversible import DeletePod
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.rds import DeleteInstance
from drillkit.clock import Fence, SystemClock
from drillkit.faults.pod_selection import all_of_shared, choose_pods
from drillkit.journal.file import Journal
from drillkit.model.errors import Refused
from drillkit.model.prospect import Copied
from drillkit.model.target import Caps, Target
from drillkit.plan.costs import costs, too_costly
from drillkit.runner.limits import effect_limits
from drillkit.sandbox.kube.objects import PODS
from tests.conftest import CommandLine, Sandbox
from tests.crash.world import Cluster, Fate, Stage


@pytest.mark.parametrize(
    ("caps", "why"),
    [
        (Caps(never_namespaces=("sh*",)), "namespace shop may never be touched"),
        (Caps(namespaces=("perf", "pay-*")), "namespace shop is none of `caps.namespaces`"),
        (Caps(never_pods=("app in (web, pay)",)), "pods of app in (web, pay) may never be hit"),
    ],
)
def test_pods_that_the_target_keeps_are_never_chosen(caps: Caps, why: str) -> None:
    stage = Stage.open(Cluster(), Fate(random.Random(1)))
    with pytest.raises(Refused) as refusal:
        choose_pods(stage.kube, Target(name="t", caps=caps), "shop", "app=web", 1)
    assert why in str(refusal.value)
    kind = Caps(namespaces=("shop",), never_namespaces=("pay",), never_pods=("app=pay",))
    assert choose_pods(stage.kube, Target(name="t", caps=kind), "shop", "app=web", 1).chosen


@pytest.fixture
def planning(tmp_path: Path) -> Callable[..., Any]:
    """Plans effects in a journal whose target has these caps."""

    def plan(caps: Caps, *effects: Any) -> int:
        limits = effect_limits(Target(name="t", caps=caps), timedelta(hours=2))
        journal = Journal(
            tmp_path / "journal.jsonl", clock=SystemClock(), fence=Fence(), limits=limits
        )
        try:
            return max(journal.plan(effect).n for effect in effects)
        finally:
            journal.close()

    return plan


def pod(n: int, namespace: str = "shop") -> DeletePod:
    return DeletePod(f"web-{n}", namespace, f"uid-{n}")


def test_the_journal_takes_no_effect_that_the_target_forbids(planning: Any) -> None:
    with pytest.raises(Refused, match="pod/shop/web-1: target `t`: namespace shop may never be"):
        planning(Caps(never_namespaces=("shop",)), pod(1))
    with pytest.raises(Refused, match=r"is none of `caps.namespaces` \(shop\)"):
        planning(Caps(namespaces=("shop",)), pod(1), pod(2, "pay"))
    assert planning(Caps(namespaces=("shop",)), pod(1))


def test_the_pods_of_a_run_are_counted_once_each(planning: Any) -> None:
    caps = Caps(pods_of_run=2)
    assert planning(caps, pod(1), pod(1), pod(2))
    with pytest.raises(Refused, match="a run may delete or evict 2 pods"):
        planning(caps, pod(1), pod(2), pod(3))


def test_a_runs_own_lock_is_no_touch(planning: Any) -> None:
    given = {f.name: "x" for f in dataclasses.fields(ReleaseLease) if f.type in ("str", str)}
    assert planning(Caps(namespaces=("shop",)), ReleaseLease(**given))


def copy(name: str = "c", size: str = "db.t4g.micro", gib: int = 20) -> DeleteInstance:
    return DeleteInstance(name, "run", "eu-central-1", "", size, gib)


def cache(size: str) -> DeleteReplicationGroup:
    return DeleteReplicationGroup("k", "run", "eu-central-1", "", size)


COSTLY: list[tuple[Caps, tuple[Any, ...], str]] = [
    (Caps(), (copy(size="db.r8g.48xlarge", gib=64000),), ""),
    (Caps(instance_classes=("db.t4g.*",)), (copy(),), ""),
    (Caps(instance_classes=("db.t4g.*",)), (copy(size="db.r6g.large"),), "class db.r6g.large"),
    (Caps(instance_classes=("db.t4g.*",)), (copy(size=""),), "a class that is not known"),
    (Caps(instance_classes=("db.*",)), (cache("cache.t4g.micro"),), "class cache.t4g.micro"),
    (Caps(instance_storage=20), (copy(),), ""),
    (Caps(instance_storage=19), (copy(),), "20 GiB are more than 19 GiB"),
    (Caps(instance_hours=4), (copy("a"), copy("b"), copy("a")), ""),
    (Caps(instance_hours=4), (copy("a"), copy("b"), cache("x")), "live 6 hours together; 4 are"),
]


@pytest.mark.parametrize(("caps", "effects", "why"), COSTLY)
def test_copies_are_no_larger_and_live_no_longer_than_the_target_allows(
    planning: Any, caps: Caps, effects: tuple[Any, ...], why: str
) -> None:
    if why:
        with pytest.raises(Refused, match=why):
            planning(caps, *effects)
    else:
        assert planning(caps, *effects)


def test_what_copies_cost_is_said_and_what_they_may_not_cost_is_a_problem() -> None:
    copies = [Copied("a copy of orders", "db.r6g.large", 100, 2), Copied("a copy of cache", "", 0)]
    assert list(costs(copies, timedelta(hours=2))) == [
        "its copies cost at most 6 instance-hours (2 x db.r6g.large, 1 x unknown class, for 2 h) "
        "and 200 GiB of storage"
    ]
    assert list(costs([], timedelta(hours=2))) == []
    caps = Caps(instance_classes=("db.*",), instance_storage=50, instance_hours=5)
    told = list(too_costly(copies, Target(name="t", caps=caps), timedelta(hours=2)))
    assert [each.partition(": target `t`: ")[2][:20] for each in told[:2]] == [
        "100 GiB are more tha",
        "a class that is not ",
    ]
    assert "3 restored instances may live 6 hours together" in told[2]


def test_what_the_whole_cluster_goes_through_is_never_taken_whole() -> None:
    stage = Stage.open(Cluster(), Fate(random.Random(1)))
    store, target = stage.cluster.store, Target(name="t")
    for number in (1, 2):
        dns = {"name": f"dns-{number}", "labels": {"k8s-app": "kube-dns"}}
        spec = {"containers": [{"name": "c", "image": "sandbox/web:1.0"}]}
        store.create(PODS, {"metadata": dns, "spec": spec}, "shop")
    stage.cluster.advance(30)
    with pytest.raises(Refused, match="CoreDNS finds every Service"):
        choose_pods(stage.kube, target, "shop", "k8s-app=kube-dns", 1)
    one, other = [p for p in store.list(PODS, "shop") if p["metadata"]["name"].startswith("dns-")]
    assert all_of_shared(stage.kube, [one]) == []
    (why,) = all_of_shared(stage.kube, [one, other])
    assert why.startswith("all ready pods of k8s-app=kube-dns in shop would go at once: CoreDNS")


CHAOSK8S: list[tuple[str, str, dict[str, Any], str]] = [
    ("pod", "terminate_pods", {}, "without `label_selector`"),
    ("pod", "terminate_pods", {"label_selector": "app=web"}, "without `ns`"),
    ("pod", "terminate_pods", {"label_selector": "a=b", "ns": "shop", "all": True}, "with `all`"),
    ("pod", "terminate_pods", {"label_selector": "a=b", "ns": "shop"}, ""),
    ("pod", "delete_pods", {"ns": "shop"}, "every pod of the namespace"),
    ("node", "drain_nodes", {}, "drains every node"),
    ("node", "drain_nodes", {"pod_label_selector": "app=web"}, "is ignored"),
    ("node", "drain_nodes", {"pod_label_selector": "a=b", "pod_namespace": "shop"}, ""),
    ("node", "uncordon_node", {}, "every node"),
    ("node", "uncordon_node", {"name": "n1"}, ""),
    ("node", "delete_nodes", {}, "among all nodes"),
    ("deployment", "scale_deployment", {"name": "web", "replicas": 0}, "without `ns`"),
    ("chaosmesh.network", "add_latency", {"name": "x"}, "stays for ever"),
    ("deployment", "unheard_of", {}, ""),
]


@pytest.mark.parametrize(("module", "func", "arguments", "why"), CHAOSK8S)
def test_calls_that_do_more_than_they_seem_to_are_known(
    module: str, func: str, arguments: Any, why: str
) -> None:
    provider = {"type": "python", "module": f"chaosk8s.{module}.actions", "func": func}
    said = danger({**provider, "arguments": arguments})
    assert (why in said and "use drillkit.faults." in said) if why else said == ""


def test_a_network_fault_that_the_rollbacks_delete_is_no_danger() -> None:
    provider = {"type": "python", "module": "chaosk8s.chaosmesh.network.actions"}
    given = {**provider, "func": "add_latency", "arguments": {"name": "x"}}
    assert danger(given, frozenset({"delete_network_fault"})) == ""


EXPERIMENT = """
title: t
description: d
method:
- type: action
  name: drain
  provider: {type: python, module: chaosk8s.node.actions, func: drain_nodes}
"""


@pytest.fixture
def project(drillkit: CommandLine, sandbox: Sandbox) -> Callable[[str], CommandLine]:
    """A project whose target has these keys."""

    def make(keys: str) -> CommandLine:
        (drillkit.folder / "drills").mkdir()
        (drillkit.folder / "drillkit.yaml").write_text("target: dev\n")
        (drillkit.folder / "e.yaml").write_text(EXPERIMENT)
        kubeconfig = f"kubernetes: {{kubeconfig: {sandbox.kubeconfig}}}"
        (drillkit.folder / "drills" / "targets.yaml").write_text(f"dev: {{{kubeconfig}{keys}}}\n")
        return drillkit

    return make


def test_a_dangerous_experiment_of_somebody_else_is_refused_with_its_safe_form(
    project: Callable[[str], CommandLine],
) -> None:
    drillkit = project("")
    ran = drillkit("plan", "./e.yaml")
    assert ran.code == 4, ran.said
    assert "drains every node; use drillkit.faults.nodes.drain_nodes" in ran.out
    ran = drillkit("run", "./e.yaml", "--yes")
    assert ran.code == 4, ran.said
    ran = drillkit("plan", "./e.yaml", "--allow-unsafe")
    assert "drains every node" not in ran.said


def test_nothing_is_unsafe_on_a_protected_target(
    project: Callable[[str], CommandLine], sandbox: Sandbox
) -> None:
    drillkit = project("")
    kubernetes = (
        f"kubeconfig: {sandbox.kubeconfig}, cluster_uid: {sandbox.endpoints['cluster_uid']}"
    )
    targets = drillkit.folder / "drills" / "targets.yaml"
    targets.write_text(f"dev: {{protected: true, kubernetes: {{{kubernetes}}}}}\n")
    for words in (("plan", "./e.yaml"), ("run", "./e.yaml", "--dry-run")):
        ran = drillkit(*words, "--allow-unsafe")
        assert ran.code == 2, ran.said
        assert "--allow-unsafe is not for target `dev`, which is protected" in ran.said
    plain = drillkit("plan", "./e.yaml")
    assert "drains every node; use drillkit.faults.nodes.drain_nodes" in plain.out
    assert "--allow-unsafe" not in plain.said


def test_a_plan_names_what_the_caps_keep(project: Callable[[str], CommandLine]) -> None:
    drillkit = project(", caps: {never_pods: [app=web], duration: 5m}")
    (drillkit.folder / "d.yaml").write_text(
        "drill: d\nowner: me\nlimit: 4m\ncleanup_limit: 2m\n"
        "steps: [{uses: chaostoolkit, with: {experiment: pod-delete, configuration: "
        "{namespace: shop, selector: app=web}}}]\n"
    )
    ran = drillkit("plan", "./d.yaml")
    assert ran.code == 4, ran.said
    assert "pods of app=web may never be hit (`caps.never_pods`)" in ran.out
    assert "are 6 min together; target `dev` allows 5 min (`caps.duration`)" in ran.out
