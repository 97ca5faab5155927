"""`litmus.engine`: a LitmusChaos ChaosEngine that exists already, as a step."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from drillkit.clients.kube.objects import DeleteFault
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import is_ready
from drillkit.clients.kube.resources import (
    CHAOS_ENGINES,
    CHAOS_EXPERIMENTS,
    CHAOS_RESULTS,
    NAMESPACES,
    PODS,
    Object,
)
from drillkit.clock import DeadlineOver, utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Mistake, SpecError, StepFailed, StepUnknown
from drillkit.model.evidence import Activity, Check, Injection
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.yaml_text import load_yaml
from drillkit.steps.base import Act, Kind

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube

POLL_S = 1.0
BEFORE = "pre-chaos"
"""In the failStep of an experiment that failed before it did anything."""
LASTS = "TOTAL_CHAOS_DURATION"
"""Variable of an experiment: seconds that its chaos lasts."""
OVER = ("completed", "stopped")
NOBODY = "no operator picked it up in time (is chaos-operator running, and does it watch there?)"
UNNAMED = (
    "its ChaosResult names no target (`status.history.targets`): nothing shows that it hit any"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LitmusEngineArguments:
    manifest: str = ""
    """File with one ChaosEngine, YAML or JSON."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """The ChaosEngine itself, instead of `manifest`."""


class LitmusEngine(Kind[LitmusEngineArguments]):
    """Apply a LitmusChaos ChaosEngine, wait for its ChaosResults, judge them, remove the engine.

    Verdict `Pass` is met, `Fail` violated; anything else, and a `Fail` before the chaos began,
    proves nothing. The engine gets a name of the run's own, so one that is there already is left
    alone; its ChaosResults are attached, and stay in the cluster as Litmus leaves them. What Litmus
    did it takes back itself, also when the engine is deleted half-way; protected targets refuse it.
    """

    name = "litmus.engine"
    disturbs = "users"
    rehearses = Rehearsal(way="disruption")
    Arguments = LitmusEngineArguments
    objectives = frozenset({"recovery", "detect"})

    def prospect(self, arguments: LitmusEngineArguments, act: Act) -> Prospect:
        engine = _load(arguments)
        meta, spec, kube = engine["metadata"], engine["spec"], act.clients.kube
        namespace = meta["namespace"]
        problems = list(_problems(kube, engine))
        if act.target.protected:
            problems.append(
                f"target `{act.target.name}` is protected: undo of Litmus' faults is not guaranteed"
            )
        info = spec.get("appinfo") or {}
        pods = _matching(kube, info, namespace) if not problems else []
        names = ", ".join(e["name"] for e in spec["experiments"])
        return Prospect(
            targets=tuple(
                PODS.said(p["metadata"]["name"], p["metadata"]["namespace"]) for p in pods
            ),
            effects=(
                f"runs the Litmus experiments {names}; Litmus takes back what they did, the engine "
                "is deleted",
            ),
            permissions=(
                *needs("create get delete", CHAOS_ENGINES, namespace),
                *needs("list", CHAOS_RESULTS, namespace),
                *needs("get", CHAOS_EXPERIMENTS, namespace),
                *needs("get", NAMESPACES, namespace, name=namespace),
                *needs("list", PODS, str(info.get("appns") or namespace)),
            ),
            problems=tuple(problems),
        )

    def run(self, arguments: LitmusEngineArguments, act: Act) -> None:
        engine = _load(arguments)
        kube = act.clients.kube
        if problems := list(_problems(kube, engine)):
            raise StepFailed("; ".join(problems))
        namespace = engine["metadata"]["namespace"]
        until = utc(act.clock.now() + act.deadline.left()).isoformat(timespec="seconds")
        name = f"{engine['metadata']['name']}-{act.run.id[-4:]}"
        undo = DeleteFault(CHAOS_ENGINES, name, act.run.id, namespace, until)
        planned = act.book.plan(undo)
        began = act.clock.mono()
        kube.create(planned, _active(engine))
        act.say(f"{undo.resource} applied")
        _until(act, kube, undo, _picked_up, NOBODY)
        act.mark("disrupted", at=began)
        ended = _until(act, kube, undo, _is_over, "Litmus did not complete it in time")
        results = _results(kube, namespace, undo.name)
        act.attach(f"litmus-{act.name}.json", "application/json", _plain([ended, *results]))
        # What Litmus was asked to last is no time that anything could have recovered in.
        act.mark("released", at=min(began + _asked_s(kube, engine), act.clock.mono()))
        verdicts = _observe(act, engine, results, act.clock.mono() - began)
        _conclude(undo.resource, verdicts)
        act.mark("recovered")


def _load(arguments: LitmusEngineArguments) -> Object:
    """The engine. Raises SpecError."""
    if bool(arguments.manifest) == bool(arguments.engine):
        raise SpecError([Mistake("with", "", "expected exactly one of `manifest` and `engine`")])
    where, engine = "with.engine", dict(arguments.engine)
    if arguments.manifest:
        where = arguments.manifest
        try:
            found = load_yaml(Path(where).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SpecError([Mistake(where, "", f"expected a ChaosEngine: {error}")]) from error
        engine = found if isinstance(found, dict) else {}
    mistakes = list(_mistakes(engine))
    if mistakes:
        raise SpecError([Mistake(where, path, what) for path, what in mistakes])
    return engine


def _mistakes(engine: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if engine.get("kind", CHAOS_ENGINES.kind) != CHAOS_ENGINES.kind:
        found.append(("kind", f"expected ChaosEngine, found {engine.get('kind')!r}"))
    meta, spec = engine.get("metadata") or {}, engine.get("spec") or {}
    found += [
        (f"metadata.{key}", "expected a text: drillkit never assumes `default`")
        for key in ("name", "namespace")
        if not isinstance(meta.get(key), str) or not meta[key]
    ]
    experiments = spec.get("experiments")
    if not isinstance(experiments, list) or not all(
        isinstance(e, Mapping) and e.get("name") for e in experiments
    ):
        found.append(("spec.experiments", "expected a list of experiments with names"))
    elif not experiments:
        found.append(("spec.experiments", "expected one experiment at least, found none"))
    return found


def _problems(kube: Kube, engine: Object) -> list[str]:
    """Why the cluster cannot run it."""
    namespace, spec = engine["metadata"]["namespace"], engine["spec"]
    if not kube.serves(CHAOS_ENGINES):
        return [
            "expected LitmusChaos in the cluster: it knows no chaosengines.litmuschaos.io; "
            "install it"
        ]
    if kube.find(NAMESPACES, namespace) is None:
        return [f"expected namespace {namespace}, the cluster has none of that name"]
    found = [
        f"expected ChaosExperiment {e['name']} in namespace {namespace}, found none; install it "
        "from Litmus' hub"
        for e in spec["experiments"]
        if kube.find(CHAOS_EXPERIMENTS, e["name"], namespace) is None
    ]
    info = spec.get("appinfo") or {}
    if info.get("applabel") and not _matching(kube, info, namespace):
        where = info.get("appns") or namespace
        found.append(
            f"expected ready pods of {info['applabel']} in namespace {where}, found none: nothing "
            "to hit"
        )
    return found


def _matching(kube: Kube, info: Mapping[str, Any], namespace: str) -> list[Object]:
    if not info.get("applabel"):
        return []
    pods = kube.list(PODS, str(info.get("appns") or namespace), selector=str(info["applabel"]))
    return [pod for pod in pods if is_ready(pod)]


def _active(engine: Object) -> Object:
    body = {k: v for k, v in copy.deepcopy(engine).items() if k != "status"}
    body["metadata"] = {k: v for k, v in body["metadata"].items() if k in ("labels", "annotations")}
    body["spec"]["engineState"] = "active"
    return body


def _until(
    act: Act, kube: Kube, undo: DeleteFault, holds: Callable[[Object], bool], otherwise: str
) -> Object:
    """The engine as soon as that holds of it. Raises StepUnknown: what Litmus did not do says
    nothing about the system.
    """

    def look() -> Object | None:
        engine = kube.find(CHAOS_ENGINES, undo.name, undo.namespace)
        if engine is None:
            raise StepUnknown(f"somebody deleted {undo.resource} while it ran; nothing is proven")
        return engine if holds(engine) else None

    try:
        return act.wait(look, every_s=POLL_S, limit_s=None, what=f"{undo.resource} to go on")
    except DeadlineOver as over:
        raise StepUnknown(f"{undo.resource}: {otherwise}; nothing is proven") from over


def _picked_up(engine: Object) -> bool:
    """Whether its operator has said anything about it."""
    status = engine.get("status") or {}
    return bool(status.get("engineStatus") or status.get("experiments"))


def _is_over(engine: Object) -> bool:
    return (engine.get("status") or {}).get("engineStatus") in OVER


def _asked_s(kube: Kube, engine: Object) -> float:
    """How long its experiments are asked to last, one after the other: the engine's own
    TOTAL_CHAOS_DURATION, else that of the installed experiment; 0 where neither is a number.
    """
    total = 0.0
    for each in engine["spec"]["experiments"]:
        installed = kube.find(CHAOS_EXPERIMENTS, each["name"], engine["metadata"]["namespace"])
        default = ((installed or {}).get("spec") or {}).get("definition") or {}
        own = (each.get("spec") or {}).get("components") or {}
        asked = {**_environment(default), **_environment(own)}.get(LASTS, "0")
        with contextlib.suppress(ValueError):  # Litmus tells what is wrong with it
            total += max(0.0, float(asked))
    return total


def _environment(of: Mapping[str, Any]) -> dict[str, str]:
    return {str(e.get("name")): str(e.get("value")) for e in of.get("env") or []}


def _results(kube: Kube, namespace: str, engine: str) -> list[Object]:
    return [
        r
        for r in kube.list(CHAOS_RESULTS, namespace)
        if (r.get("spec") or {}).get("engine") == engine
    ]


def _observe(act: Act, engine: Object, results: list[Object], took_s: float) -> dict[str, str]:
    """Write down each experiment's outcome; verdicts by experiment."""
    by_name = {str((r.get("spec") or {}).get("experiment")): r for r in results}
    verdicts: dict[str, str] = {}
    for experiment in engine["spec"]["experiments"]:
        name = str(experiment["name"])
        status = (by_name.get(name) or {}).get("status") or {}
        verdicts[name] = _observe_one(act, experiment, status, took_s)
    return verdicts


def _observe_one(act: Act, experiment: Object, status: Mapping[str, Any], took_s: float) -> str:
    """One experiment's outcome, and its verdict in words."""
    name = str(experiment["name"])
    came: Literal["unproven", "succeeded", "failed"]
    outcome = status.get("experimentStatus") or {}
    verdict = str(outcome.get("verdict") or "no ChaosResult")
    fail_step = str(outcome.get("failStep") or "")
    why = "" if fail_step in ("", "N/A") else fail_step
    targets = (status.get("history") or {}).get("targets") or []
    decided = verdict == "Pass" or (verdict == "Fail" and BEFORE not in why)
    hollow = verdict == "Pass" and not targets
    if hollow:
        came, error = "unproven", UNNAMED
    elif decided:
        came, error = "succeeded", ""
    else:
        came, error = "failed", f"verdict {verdict}{f': {why}' if why else ''}"
    reverted = bool(targets) and all(t.get("chaosStatus") == "reverted" for t in targets)
    act.observe(
        Activity(
            name,
            "method",
            "action",
            came,
            hit=len(targets) if targets else None,
            tolerated=None,
            took_s=round(took_s, 3),
            error=error,
            targets=tuple(f"{t.get('kind', 'target')}/{t.get('name')}" for t in targets),
            undo_guaranteed=reverted,
        )
    )
    if decided and targets and (injection := _injection(name, experiment)):
        act.observe(injection)
    found, told = (verdict, why) if decided else (None, why or verdict)
    act.observe(Check(f"Litmus verdict of {name}", "step", "Pass", "==", found, told))
    if hollow:
        return f"undecided ({verdict}, but {UNNAMED})"
    return f"{verdict if decided else 'undecided'}{f' ({told})' if told else ''}"


def _injection(name: str, experiment: Object) -> Injection | None:
    """What requests show that meet an experiment of Litmus' hub; None of those whose effect is
    proven by their targets.
    """
    environment = _environment((experiment.get("spec") or {}).get("components") or {})
    match name:
        case "pod-network-latency" | "pod-http-latency":
            asked = environment.get("NETWORK_LATENCY") or environment.get("LATENCY") or "2000"
            with contextlib.suppress(ValueError):
                return Injection("delay", f"{asked} ms latency", float(asked) / 1000)
            return None
        case "pod-network-loss":
            return Injection("loss", "packet loss")
        case "pod-dns-error" | "pod-http-status-code" | "pod-http-reset-peer":
            return Injection("errors", name)
        case _:
            return None


def _conclude(what: str, verdicts: Mapping[str, str]) -> None:
    said = "; ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())
    if any(verdict.startswith("Fail") for verdict in verdicts.values()):
        raise StepFailed(f"{what}: {said}")
    if not all(verdict.startswith("Pass") for verdict in verdicts.values()):
        raise StepUnknown(f"{what}: {said}; nothing is proven")


def _plain(objects: list[Object]) -> bytes:
    return json.dumps(objects, indent=1, sort_keys=True).encode()


KIND = LitmusEngine()
