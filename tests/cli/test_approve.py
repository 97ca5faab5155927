"""A plan that was approved runs as it was approved, once, or not at all."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.attest.approval import approve, enough, use_up
from drillkit.attest.keys import generate, public_key, signer_of
from drillkit.model.drill import Drill, Step
from drillkit.model.errors import Refused
from drillkit.model.permissions import Permission
from drillkit.model.prospect import Prospect
from drillkit.model.target import Caps, Target
from drillkit.plan import Plan, StepPlan
from drillkit.plan.contents import contents_of, difference, digest_of
from tests.conftest import CommandLine, Sandbox
from tests.crash.world import Cluster, Fate, Stage

NOW = 1_800_000_000.0
DIGEST = "a" * 64

# The hash


def pods(stage: Stage) -> tuple[str, ...]:
    from drillkit.clients.kube.resources import PODS

    found = stage.kube.list(PODS, "shop", selector="app=web")
    return tuple(f"pod/shop/{pod['metadata']['name']}" for pod in found)


@pytest.fixture(scope="module")
def stage() -> Stage:
    import random

    return Stage.open(Cluster(), Fate(random.Random(1)))


STEP = Step(name="kill", uses="chaostoolkit", with_={"experiment": "pod-delete"})
DRILL = Drill(drill="d", steps=(STEP,))


def digest(stage: Stage, **changes: Any) -> str:
    drill = changes.get("drill", DRILL)
    targets = changes.get("targets", pods(stage))
    pod = targets[0].rpartition("/")[2]
    allowed = Permission(changes.get("verb", "delete"), "pods", namespace="shop", name=pod)
    prospect = Prospect(targets, ("says anything",), (allowed,), notes=changes.get("notes", ()))
    plan = Plan(drill, changes.get("target", Target(name="t")), (StepPlan(STEP, "", prospect),), ())
    return digest_of(
        contents_of(
            plan,
            drill,
            changes.get("run", "20260101-000000-abcd"),
            digests=changes.get("digests", {"drill": "1"}),
            versions=changes.get("versions", {"drillkit": "1"}),
            kube=stage.kube,
        )
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"drill": replace(DRILL, limit=timedelta(hours=9))},
        {"drill": replace(DRILL, steps=(replace(STEP, with_={"experiment": "node-drain"}),))},
        {"drill": replace(DRILL, cleanup_limit=timedelta(hours=9))},
        {"target": Target(name="t", caps=Caps(pods="100%"))},
        {"target": Target(name="t", approvals=0, urls={"web": "http://other"})},
        {"targets": ("pod/shop/cache-0",)},
        {"targets": ("rds/orders",)},
        {"verb": "create"},
        {"digests": {"drill": "2"}},
        {"digests": {"drill": "1", "experiment pod-delete": "1"}},
        {"versions": {"drillkit": "2"}},
    ],
)
def test_what_matters_changes_the_hash(stage: Stage, changes: dict[str, Any]) -> None:
    assert digest(stage, **changes) != digest(stage)


def test_a_rollout_another_run_and_a_note_do_not_change_the_hash(stage: Stage) -> None:
    before = digest(stage)
    assert digest(stage, run="20260202-000000-zzzz", notes=("slow today",)) == before
    assert digest(stage, targets=pods(stage)[:1]) == before  # of the same workload
    assert digest(stage, target=Target(name="t", emulated=("nodes",))) == before
    old = pods(stage)
    for name in old:
        stage.cluster.store.delete(("", "pods"), "shop", name.rpartition("/")[2])
    stage.cluster.advance(60)
    assert set(pods(stage)).isdisjoint(old)
    assert digest(stage) == before


def test_a_difference_says_what_changed() -> None:
    assert difference({"a": 1}, {"a": 1}) == ""
    assert '-{\n- "limit": "1h"' not in difference({"limit": "1h"}, {"limit": "9h"})
    assert '+ "limit": "9h"' in difference({"limit": "1h"}, {"limit": "9h"})


# The signatures


class Person:
    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.private = name, folder / name
        generate(self.private, folder / f"{name}.pub")
        self.key = public_key(folder / f"{name}.pub")
        self.signer = signer_of(f"file:{self.private}", lambda ref: Path(ref[5:]).read_text())

    def approves(self, digest: str = DIGEST, at: float = NOW, lasts_s: float = 60.0) -> str:
        return approve(digest, self.name, at, at + lasts_s, self.signer)


@pytest.fixture
def people(tmp_path: Path) -> tuple[Person, Person, Person]:
    ann, bob, eve = (Person(tmp_path, name) for name in ("ann", "bob", "eve"))
    return ann, bob, eve


def test_approvals_of_the_people_named_hold(people: tuple[Person, Person, Person]) -> None:
    ann, bob, _ = people
    keys = {"ann": ann.key, "bob": bob.key}
    found = enough([ann.approves(), bob.approves()], DIGEST, keys, 2, NOW + 1)
    assert {each.by for each in found} == {"ann", "bob"}


def test_forged_expired_swapped_and_doubled_approvals_are_refused(
    people: tuple[Person, Person, Person],
) -> None:
    ann, bob, eve = people
    keys = {"ann": ann.key, "bob": bob.key}
    eve.name = "ann"
    line = ann.approves()
    forged = json.loads(line)
    forged["payload"] = json.loads(ann.approves(lasts_s=1e6))["payload"]
    cases = [
        ([eve.approves()], "none of the keys"),
        ([json.dumps(forged, separators=(",", ":"))], "does not fit its content"),
        ([line[:-9]], "no DSSE envelope"),
        ([ann.approves(lasts_s=-1)], "it ended"),
        ([ann.approves(at=NOW + 9999)], "in the future"),
        ([ann.approves("b" * 64)], "approves another plan"),
        ([], "found 0 (nobody)"),
    ]
    for lines, why in cases:
        with pytest.raises(Refused) as refusal:
            enough(lines, DIGEST, keys, 1, NOW)
        assert why in str(refusal.value)
    with pytest.raises(Refused, match=r"expected 2 approvals of this plan, found 1 \(ann\)"):
        enough([line, ann.approves()], DIGEST, keys, 2, NOW)
    ann.name = "bob"
    with pytest.raises(Refused, match="signed with somebody else's key"):
        enough([line, ann.approves()], DIGEST, keys, 2, NOW)


def test_an_approval_serves_one_run(people: tuple[Person, Person, Person], tmp_path: Path) -> None:
    ann = people[0]
    found = enough([ann.approves()], DIGEST, {"ann": ann.key}, 1, NOW)
    use_up(found, tmp_path / "used", "run-1")
    with pytest.raises(Refused, match="was used by run run-1"):
        use_up(found, tmp_path / "used", "run-2")


# The command line


@pytest.fixture
def guarded(drillkit: CommandLine, sandbox: Sandbox) -> CommandLine:
    """A project whose target asks for two approvals."""
    folder = drillkit.folder / "drills"
    folder.mkdir()
    (drillkit.folder / "drillkit.yaml").write_text("target: prod\n")
    for name in ("ann", "bob"):
        assert drillkit("keygen", f"drills/{name}").code == 0
    url = sandbox.endpoints["urls"]["web"]
    (folder / "targets.yaml").write_text(
        f"prod:\n  kubernetes: {{kubeconfig: {sandbox.kubeconfig}}}\n  urls: {{web: '{url}'}}\n"
        "  caps: {pods: 100%}\n  approvals: 2\n  approvers: {ann: ann.pub, bob: bob.pub}\n"
    )
    (folder / "d.yaml").write_text(
        "drill: d\nowner: me\nlimit: 2m\nvars: {count: 1}\n"
        "steps: [{uses: chaostoolkit, with: {experiment: pod-delete, configuration: "
        '{namespace: shop, selector: app=web, count: "${count}"}}}]\n'
    )
    return drillkit


@pytest.mark.slow
def test_a_target_with_approvals_runs_what_was_approved_and_nothing_else(
    guarded: CommandLine, sandbox: Sandbox
) -> None:
    run = ("run", "d", "--yes")
    ran = guarded(*run)
    assert ran.code == 4, ran.said
    assert "drillkit approve plan.json --by NAME" in ran.err
    ran = guarded("plan", "d", "--save", "plan.json")
    assert ran.code == 0, ran.said
    assert guarded("approve", "plan.json", "--by", "ann", "--key", "file:drills/ann").code == 0
    ran = guarded(*run, "--plan", "plan.json")
    assert ran.code == 4, ran.said
    assert "expected 2 approvals of this plan, found 1 (ann)" in ran.err
    ran = guarded("approve", "plan.json", "--by", "bob", "--key", "file:drills/bob")
    assert "touches  deployment/shop/web" in ran.out, ran.said
    # A rollout gives all pods other names.
    kubectl = ("kubectl", "--kubeconfig", str(sandbox.kubeconfig), "-n", "shop")
    subprocess.run([*kubectl, "rollout", "restart", "deployment/web"], check=True)
    subprocess.run([*kubectl, "rollout", "status", "deployment/web"], check=True)
    ran = guarded(*run, "--plan", "plan.json", "--set", "count=2")
    assert ran.code == 4, ran.said
    assert "count" in ran.said
    assert "What changed" in ran.said
    ran = guarded(*run, "--plan", "plan.json")
    assert ran.code in (0, 3), ran.said  # it went all the way; nothing bounds it
    assert "refused" not in ran.out
    ran = guarded(*run, "--plan", "plan.json")
    assert ran.code == 4, ran.said
    assert "serves one run" in ran.said.replace("\n", " ")


@pytest.mark.slow
def test_a_plan_that_was_changed_by_hand_is_refused(guarded: CommandLine) -> None:
    assert guarded("plan", "d", "--save", "plan.json").code == 0
    file = guarded.folder / "plan.json"
    data = json.loads(file.read_text())
    data["plan"]["drill"]["limit"] = "9h"
    file.write_text(json.dumps(data))
    ran = guarded("approve", "plan.json", "--by", "ann", "--key", "file:drills/ann")
    assert ran.code == 4, ran.said
    assert "its hash is not that of its plan" in ran.err
    file.write_text("{}")
    assert guarded("approve", "plan.json", "--by", "ann", "--key", "file:drills/ann").code == 2


@pytest.mark.slow
def test_approvals_need_approvers(guarded: CommandLine) -> None:
    (guarded.folder / "drills" / "targets.yaml").write_text(
        "prod: {kubernetes: {}, approvals: 1}\n"
    )
    ran = guarded("validate")
    assert ran.code == 2
    assert "expected at most as many as `approvers` names (0), found 1" in ran.said
