"""The campaign's scenarios of faults: the actions of every shipped experiment, played by the
real functions.

An experiment that is added to `experiments/` is in the campaign; so are the other mechanisms,
ChaosEngines, and any two at once.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from chaoslib import substitute

from drillkit.clients import Clients
from drillkit.clients.chaostoolkit.session import WorkerSession, _current, open_session
from drillkit.clock import Deadline
from drillkit.model.target import Caps, KubernetesTarget, Target
from drillkit.steps.base import Act, Experiment, RunNames, kind_named
from drillkit.steps.litmus_engine import LitmusEngineArguments
from tests.crash.scenarios import Scenario
from tests.crash.together import together
from tests.crash.world import Cluster, Stage

Play: TypeAlias = Callable[[WorkerSession], None]

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHORT = {"duration": "4s", "hold": "1s", "recovery_limit": "1m", "limit": "1m"}
"""Configuration of all experiments here: long enough to be seen, no longer."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
REVISION = "deployment.kubernetes.io/revision"
TARGET = Target(name="world", kubernetes=KubernetesTarget(), caps=Caps(pods="100%", nodes="100%"))


def route(cluster: Cluster) -> None:
    """A VirtualService of the shop's, with two routes."""
    to = [{"destination": {"host": "web"}}]
    http = [
        {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": to},
        {"name": "b", "route": to},
    ]
    service = {
        "metadata": {"name": "web", "annotations": {"team": "shop"}},
        "spec": {"hosts": ["web"], "http": http},
    }
    cluster.store.create(("networking.istio.io", "virtualservices"), service, "shop")


def forgive_restart(inventory: dict[str, Any]) -> None:
    """A rollout leaves its date in the template and an older ReplicaSet behind: RestartWorkload
    says so.
    """
    web = inventory["deployments/shop/web"]
    template = dict(web["spec"]["template"])
    template["metadata"] = {k: v for k, v in template["metadata"].items() if k != "annotations"}
    annotations = {k: v for k, v in web["metadata"].get("annotations", {}).items() if k != REVISION}
    meta = {
        **{k: v for k, v in web["metadata"].items() if k != "annotations"},
        "annotations": annotations,
    }
    inventory["deployments/shop/web"] = {
        **web,
        "spec": {**web["spec"], "template": template},
        "metadata": meta,
    }
    for key in [key for key in inventory if key.startswith("replicasets/shop/web-")]:
        del inventory[key]


def forgive_results(inventory: dict[str, Any]) -> None:
    """Litmus leaves its ChaosResults."""
    for key in [key for key in inventory if key.startswith("chaosresults/")]:
        del inventory[key]


@contextmanager
def session_of(stage: Stage) -> Iterator[WorkerSession]:
    """The stage as faults find it: the worker's clients, behind the journal's fence."""
    clients = Clients(TARGET, stage.clock, stage.journal.fence)
    vars(clients)["kube"] = stage.kube
    session = WorkerSession(
        stage.book,
        clients,
        TARGET,
        stage.clock,
        stage.journal.fence,
        Deadline.after(3600, stage.clock),
        stage.run,
        "s",
    )
    open_session(session)
    try:
        yield session
    finally:
        _current.clear()


@functools.cache
def actions_of(experiment: Path) -> tuple[Mapping[str, Any], ...]:
    """The actions of an experiment's method."""
    document = yaml.safe_load(experiment.read_text(encoding="utf-8"))
    return tuple(activity for activity in document["method"] if activity["type"] == "action")


@functools.cache
def defaults_of(experiment: Path) -> Mapping[str, Any]:
    """An experiment's configuration as shipped."""
    found: Mapping[str, Any] = yaml.safe_load(experiment.read_text(encoding="utf-8"))[
        "configuration"
    ]
    return found


def play(experiment: Path, given: Mapping[str, Any]) -> Play:
    """What calls the experiment's actions one after the other."""
    defaults = defaults_of(experiment)
    configuration = {**defaults, **{k: v for k, v in SHORT.items() if k in defaults}, **given}

    def run(session: WorkerSession) -> None:
        for action in actions_of(experiment):
            provider = action["provider"]
            function = getattr(importlib.import_module(provider["module"]), provider["func"])
            function(**substitute(provider.get("arguments", {}), configuration, {}))

    return run


def run_engine(session: WorkerSession) -> None:
    """A ChaosEngine as a step."""
    env = [{"name": "TOTAL_CHAOS_DURATION", "value": "6"}, {"name": "CHAOS_INTERVAL", "value": "3"}]
    engine = {
        "kind": "ChaosEngine",
        "metadata": {"name": "mine", "namespace": "shop"},
        "spec": {
            "appinfo": {"appns": "shop", "applabel": "app=orders", "appkind": "deployment"},
            "experiments": [{"name": "pod-delete", "spec": {"components": {"env": env}}}],
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        act = Act(
            name="s",
            run=RunNames(session.run, "drill", datetime(2026, 1, 1, tzinfo=UTC)),
            target=TARGET,
            book=session.book,
            clients=session.clients,
            clock=session.clock,
            fence=session.fence,
            deadline=session.deadline,
            folder=Path(folder),
            find_experiment=dict[str, Experiment]().__getitem__,
        )
        kind_named("litmus.engine").run(LitmusEngineArguments(engine=engine), act)


ISTIO = {"mechanism": "istio", "virtual_service": "web"}
NOTHING_STAYS: frozenset[str] = frozenset({"pod-delete", "deployment-restart"})
"""Experiments that change nothing which an undo could take back: a controller replaces what
they take.
"""


@dataclass(frozen=True)
class Fault:
    """One thing that a step does."""

    name: str
    run: Play
    prepare: Callable[[Cluster], None] = lambda cluster: None
    forgive: Callable[[dict[str, Any]], None] = lambda inventory: None


def scenario_of(*faults: Fault) -> Scenario:
    """The faults at once (one alone just so), in one process."""

    def act(stage: Stage) -> None:
        with session_of(stage) as session:
            if len(faults) == 1:
                faults[0].run(session)
            else:
                together(stage, *(functools.partial(fault.run, session) for fault in faults))

    def prepare(cluster: Cluster) -> None:
        for do in {fault.prepare for fault in faults}:
            do(cluster)

    def forgive(inventory: dict[str, Any]) -> None:
        for fault in faults:
            fault.forgive(inventory)

    name = " and ".join(fault.name for fault in faults)
    return Scenario(name, act, prepare, name not in NOTHING_STAYS, forgive)


def _all() -> Iterator[Fault]:
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        forgive = {"deployment-restart": forgive_restart}.get(path.stem, lambda inventory: None)
        yield Fault(path.stem, play(path, {}), forgive=forgive)
    yield Fault(
        "network-latency with istio", play(EXPERIMENTS / "network-latency.yaml", ISTIO), route
    )
    yield Fault("litmus.engine", run_engine, forgive=forgive_results)


FAULTS: dict[str, Fault] = {fault.name: fault for fault in _all()}
