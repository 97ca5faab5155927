"""What a target's caps keep is kept: when it is planned, and again at the effect."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.chaostoolkit.dangerous import danger
from drillkit.clients.kube.irreversible import DeletePod
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clock import Fence, SystemClock
from drillkit.faults.pod_selection import choose_pods
from drillkit.journal.file import Journal
from drillkit.model.drill import Caps, Target
from drillkit.model.errors import Refused
from drillkit.runner.limits import effect_limits
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
        journal = Journal(tmp_path / "journal.jsonl", clock=SystemClock(), fence=Fence())
        journal.limits = effect_limits(Target(name="t", caps=caps))
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


def test_nothing_is_unsafe_on_a_protected_target() -> None:
    from drillkit.cli.run import _unprotected
    from drillkit.model.errors import UsageError

    _unprotected(Target(name="t"))
    with pytest.raises(UsageError, match="which is protected"):
        _unprotected(Target(name="t", protected=True))


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
