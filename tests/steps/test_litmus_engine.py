"""A ChaosEngine as a step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drillkit.cleanup import clean, open_undos
from drillkit.model.errors import SpecError, StepFailed, StepUnknown
from drillkit.model.evidence import Activity, Attachment, Check, Mark
from drillkit.sandbox.cluster.faults.litmus import Litmus
from drillkit.sandbox.kube.objects import NODES, Gvr
from drillkit.steps.base import kind_named
from drillkit.steps.litmus_engine import LitmusEngineArguments
from tests.steps.conftest import Scene

EXPERIMENTS: Gvr = ("litmuschaos.io", "chaosexperiments")
ENGINES: Gvr = ("litmuschaos.io", "chaosengines")
KIND = kind_named("litmus.engine")


def engine(*experiments: str, label: str = "app=web", **env: str) -> dict[str, Any]:
    components = {"env": [{"name": key, "value": value} for key, value in env.items()]}
    return {
        "apiVersion": "litmuschaos.io/v1alpha1",
        "kind": "ChaosEngine",
        "metadata": {"name": "mine", "namespace": "shop"},
        "spec": {
            "engineState": "stop",
            "appinfo": {"appns": "shop", "applabel": label, "appkind": "deployment"},
            "experiments": [
                {"name": e, "spec": {"components": components}}
                for e in experiments or ("pod-delete",)
            ],
        },
    }


def tidy(scene: Scene) -> None:
    stage = scene.stage
    cleaned = clean(
        open_undos(tuple(scene.records())), stage.clients, stage.journal, stage.clock, 300.0
    )
    assert cleaned.open == ()
    assert scene.stage.cluster.store.list(ENGINES) == []


def test_an_engine_runs_is_judged_and_removed(scene: Scene) -> None:
    arguments = LitmusEngineArguments(engine=engine(TOTAL_CHAOS_DURATION="10", CHAOS_INTERVAL="5"))
    KIND.run(arguments, scene.act)
    (activity,) = scene.evidence(Activity)
    assert (activity.name, activity.outcome, activity.place) == (
        "pod-delete",
        "succeeded",
        "method",
    )
    assert activity.hit
    assert all(target.startswith("pod/web-") for target in activity.targets)
    assert activity.undo_guaranteed
    (check,) = scene.evidence(Check)
    assert (check.purpose, check.expected, check.found) == ("step", "Pass", "Pass")
    assert [m.moment for m in scene.evidence(Mark)] == ["disrupted", "released", "recovered"]
    disrupted, released, recovered = (m.at for m in scene.evidence(Mark))
    assert released == pytest.approx(disrupted + 10) or released == recovered
    (attached,) = scene.evidence(Attachment)
    kinds = [
        each["kind"]
        for each in json.loads((scene.act.folder / "attachments" / attached.name).read_text())
    ]
    assert kinds == ["ChaosEngine", "ChaosResult"]
    planned = [r.kind for r in scene.records()]
    assert planned[0] == "undo.planned"
    tidy(scene)


def test_a_verdict_of_fail_fails_the_step(scene: Scene) -> None:
    for node in scene.stage.cluster.store.list(NODES):
        scene.stage.cluster.store.update(
            NODES, {**node, "spec": {**node["spec"], "unschedulable": True}}
        )
    with pytest.raises(
        StepFailed, match=r"pod-delete: Fail \(\[post-chaos\]: application status check failed\)"
    ):
        KIND.run(LitmusEngineArguments(engine=engine(TOTAL_CHAOS_DURATION="5")), scene.act)
    assert [c.found for c in scene.evidence(Check)] == ["Fail"]
    assert [m.moment for m in scene.evidence(Mark)] == ["disrupted", "released"]
    tidy(scene)


def test_an_experiment_that_failed_before_its_chaos_proves_nothing(scene: Scene) -> None:
    store = scene.stage.cluster.store
    known = store.get(EXPERIMENTS, "shop", "pod-delete")
    assert known is not None
    store.create(EXPERIMENTS, {"metadata": {"name": "pod-cpu-hog"}, "spec": known["spec"]}, "shop")
    with pytest.raises(StepUnknown, match=r"pod-cpu-hog: undecided \(\[pre-chaos\]"):
        KIND.run(LitmusEngineArguments(engine=engine("pod-cpu-hog")), scene.act)
    assert [c.found for c in scene.evidence(Check)] == [None]
    assert [a.outcome for a in scene.evidence(Activity)] == ["failed"]


def test_an_engine_that_somebody_deletes_proves_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sleep = scene.stage.cluster.store, scene.stage.clock.sleep

    def slept(seconds: float, wake: Any = None) -> bool:
        store.delete(ENGINES, "shop", "mine-x7k2")
        return sleep(seconds, wake)

    monkeypatch.setattr(scene.stage.clock, "sleep", slept)
    with pytest.raises(StepUnknown, match="somebody deleted chaosengine/shop/mine-x7k2"):
        KIND.run(LitmusEngineArguments(engine=engine()), scene.act)


def test_what_is_missing_is_said_before_anything_is_touched(scene: Scene) -> None:
    for given, what in (
        (engine("no-such"), "expected ChaosExperiment no-such in namespace shop"),
        (engine(label="app=nothing"), "expected ready pods of app=nothing in namespace shop"),
        (
            {**engine(), "metadata": {"name": "x", "namespace": "nowhere"}},
            "expected namespace nowhere",
        ),
    ):
        arguments = LitmusEngineArguments(engine=given)
        assert what in KIND.prospect(arguments, scene.act).problems[0]
        with pytest.raises(StepFailed, match=what):
            KIND.run(arguments, scene.act)
    assert not scene.records()


def test_a_manifest_that_says_too_little_is_told_with_its_path(
    scene: Scene, tmp_path: Path
) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("kind: ChaosEngine\nmetadata: {name: x}\nspec: {experiments: []}\n")
    with pytest.raises(
        SpecError, match=r"engine\.yaml: metadata\.namespace: .*never assumes `default`"
    ):
        KIND.prospect(LitmusEngineArguments(manifest=str(file)), scene.act)
    with pytest.raises(SpecError, match="exactly one of `manifest` and `engine`"):
        KIND.prospect(LitmusEngineArguments(), scene.act)
    file.write_text(json.dumps(engine()))
    assert KIND.prospect(LitmusEngineArguments(manifest=str(file)), scene.act).problems == ()


def test_its_prospect_names_the_pods_and_a_protected_target_refuses(scene: Scene) -> None:
    arguments = LitmusEngineArguments(engine=engine())
    found = KIND.prospect(arguments, scene.act)
    assert len(found.targets) == 3
    assert "create chaosengines.litmuschaos.io in namespace shop" in map(str, found.permissions)
    scene.protect()
    assert "target `world` is protected" in KIND.prospect(arguments, scene.act).problems[0]


def test_one_that_does_not_end_in_time_is_removed_and_proves_nothing(scene: Scene) -> None:
    scene.act.deadline = scene.act.deadline.sooner(20)
    with pytest.raises(StepUnknown, match="chaosengine/shop/mine-x7k2: Litmus did not complete it"):
        KIND.run(LitmusEngineArguments(engine=engine(TOTAL_CHAOS_DURATION="300")), scene.act)
    tidy(scene)


def test_one_that_no_operator_picks_up_has_disrupted_nobody_and_proves_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Litmus, "reconcile", lambda operator, view, obj: None)
    scene.act.deadline = scene.act.deadline.sooner(20)
    with pytest.raises(StepUnknown, match="chaosengine/shop/mine-x7k2: no operator picked it up"):
        KIND.run(LitmusEngineArguments(engine=engine()), scene.act)
    assert not scene.evidence(Mark)
    tidy(scene)
