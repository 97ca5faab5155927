"""What an experiment would do is known before it does anything."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
import yaml

from drillkit import faults
from drillkit.clients.chaostoolkit.faults import is_fault
from drillkit.model.target import Caps
from drillkit.steps.chaostoolkit import KIND, ChaosToolkitArguments
from tests.steps.conftest import Scene

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
DELETE = {
    "type": "action",
    "name": "delete",
    "provider": {
        "type": "python",
        "module": "drillkit.faults.pods",
        "func": "delete_pods",
        "arguments": {"namespace": "${namespace}", "selector": "${selector}", "count": "${count}"},
    },
}
CONFIGURATION = {"namespace": "shop", "selector": "app=web", "count": 1}


def test_victims_effects_and_permissions_are_named(scene: Scene) -> None:
    scene.experiment(configuration=CONFIGURATION, method=[DELETE])
    found = KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act)
    assert found.problems == ()
    assert len(found.targets) == 1
    assert found.targets[0].startswith("pod/shop/web-")
    assert "deletes 1 of 3 ready pods of app=web in shop" in found.effects[0]
    assert [*map(str, found.permissions)] == [
        "list pods in namespace shop",
        "get pods in namespace shop",
        "delete pods in namespace shop",
        "list services in namespace shop",
    ]
    assert not scene.records()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"namespace": "nowhere"}, "expected namespace nowhere, the cluster has none of that name"),
        ({"selector": "app=nothing"}, "no pod matches; check the labels"),
        ({"count": 3}, "more than target `world` allows at once"),
        ({"count": "many"}, "expected a number above zero or a percentage"),
        ({"conut": 3}, "has no configuration `conut`; did you mean `count`?"),
    ],
)
def test_what_cannot_work_is_a_problem(
    scene: Scene, given: dict[str, object], problem: str
) -> None:
    scene.experiment(configuration=CONFIGURATION, method=[DELETE])
    found = KIND.prospect(ChaosToolkitArguments(experiment="it", configuration=given), scene.act)  # type: ignore[arg-type]
    assert problem in " ".join(found.problems)


def test_what_is_not_installed_or_not_set_is_a_problem(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    scene.experiment(
        configuration={"a": {"type": "env", "key": "NOT_SET_ANYWHERE"}},
        secrets={
            "b": {
                "c": {"type": "env", "key": "NOT_SET_ANYWHERE"},
                "d": {"type": "vault", "path": "x"},
            }
        },
        method=[
            {
                "type": "action",
                "name": "one",
                "provider": {"type": "python", "module": "chaosnowhere.x", "func": "f"},
            },
            {
                "type": "probe",
                "name": "two",
                "provider": {"type": "process", "path": "no-such-program"},
            },
            {"ref": "two"},
        ],
    )
    problems = KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act).problems
    assert problems == (
        "configuration.a: expected the environment variable NOT_SET_ANYWHERE, it is not set",
        "secrets.b.c: expected the environment variable NOT_SET_ANYWHERE, it is not set",
        "activity `one`: there is no Python module `chaosnowhere`; install the package that has it",
        "activity `two`: `no-such-program` is not on the PATH",
    )


@pytest.mark.parametrize(
    ("module", "func", "problem"),
    [
        # modules that no path leads to: their parents make them
        ("os.path", "exists", ""),
        ("six.moves.urllib.parse", "quote", ""),
        ("requests.packages.urllib3", "PoolManager", ""),
        ("json.nosuch", "f", "no Python module `json.nosuch`; `json` is installed"),
        ("getpass.nosuch", "f", "no Python module `getpass.nosuch`"),
        ("json", "lods", "the Python module `json` has no function `lods`"),
    ],
)
def test_only_what_is_missing_for_sure_is_a_problem(
    scene: Scene, module: str, func: str, problem: str
) -> None:
    provider = {"type": "python", "module": module, "func": func, "arguments": {"path": "x"}}
    scene.experiment(method=[{"type": "action", "name": "it", "provider": provider}])
    problems = KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act).problems
    assert problem in " ".join(problems)
    assert bool(problems) == bool(problem)


def test_foreign_actions_are_told_apart_and_a_protected_target_refuses_them(scene: Scene) -> None:
    action = {
        "type": "action",
        "name": "hit",
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", ":"]},
    }
    scene.experiment(method=[action], rollbacks=[action])
    found = KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act)
    assert found.effects == (
        "action `hit` (process sh): undo not guaranteed, only the experiment's rollbacks run",
        "plays the experiment's rollbacks afterwards: hit",
    )
    assert found.problems == ()
    scene.protect()
    assert (
        "target `world` is protected"
        in KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act).problems[0]
    )


@pytest.mark.parametrize(
    "path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: str(path.stem)
)
def test_every_shipped_experiment_can_be_previewed_and_fits_its_faults(
    scene: Scene, path: Path
) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    scene.aim(caps=Caps(pods="100%", nodes="2"))
    scene.experiment(**data)
    found = KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act)
    assert found.problems == ()
    assert found.targets
    assert found.effects
    for activity in [
        *data["steady-state-hypothesis"]["probes"],
        *data["method"],
        *data["rollbacks"],
    ]:
        provider = activity["provider"]
        if provider["module"].startswith("drillkit."):
            function = getattr(importlib.import_module(provider["module"]), provider["func"])
            inspect.signature(function).bind(**provider.get("arguments", {}))
    assert data["rollbacks"][0]["provider"]["func"] == "undo_all"
    assert {"title", "description", "tags", "configuration"} <= set(data)


def test_every_fault_says_how_it_differs_and_an_experiment_that_ships_uses_it() -> None:
    used = {
        (action["provider"]["module"], action["provider"]["func"])
        for path in EXPERIMENTS.glob("*.yaml")
        for action in yaml.safe_load(path.read_text(encoding="utf-8"))["method"]
        if action["type"] == "action"
    }
    found = {
        (module.__name__, function.__name__): function.__doc__ or ""
        for info in pkgutil.iter_modules(faults.__path__)
        for module in [importlib.import_module(f"drillkit.faults.{info.name}")]
        for function in vars(module).values()
        if is_fault(function) and function.__module__ == module.__name__
    }
    assert len(found) >= 9
    assert set(found) == used, "the crash campaign plays the experiments: each fault needs one"
    for name, doc in found.items():
        assert any(
            word in doc for word in ("chaosk8s", "chaostoolkit-kubernetes", "`stress_cpu`")
        ), name


def test_a_function_without_a_preview_and_arguments_that_do_not_fit_are_problems(
    scene: Scene,
) -> None:
    def problem(func: str, arguments: dict[str, object]) -> str:
        provider = {**DELETE["provider"], "func": func, "arguments": arguments}  # type: ignore[dict-item]
        scene.experiment(method=[{**DELETE, "provider": provider}])
        return " ".join(KIND.prospect(ChaosToolkitArguments(experiment="it"), scene.act).problems)

    assert "expected namespace, selector, found none" in problem("delete_pods", {})
    given = {"namespace": "shop", "selector": "app=web", "cuont": 1}
    assert "it has no argument `cuont`; it has `namespace`" in problem("delete_pods", given)
    assert "expected a function `delete_pod` in module" in problem("delete_pod", {})
    assert "`choose_pods` has no preview, so that it is no fault" in problem("choose_pods", {})
