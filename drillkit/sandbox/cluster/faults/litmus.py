"""A LitmusChaos operator in small: runs a ChaosEngine's experiments and writes their ChaosResults.

Known experiments: pod-delete and pod-network-latency. Unlike the real operator it needs no runner
pod, no account.
"""

from __future__ import annotations

import math
import random as random_module
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.proxy.rules import PacketRule
from drillkit.sandbox.cluster.values import is_active, is_healthy
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import PODS, Gvr, Object, is_terminating, key_of, rfc3339
from drillkit.sandbox.kube.selectors import labels_match

GROUP = "litmuschaos.io"
ENGINES: Gvr = (GROUP, "chaosengines")
EXPERIMENTS: Gvr = (GROUP, "chaosexperiments")
RESULTS: Gvr = (GROUP, "chaosresults")
RECOVERY_LIMIT = timedelta(seconds=180)
"""How long the application may take to be healthy again afterwards, as the default status check
of Litmus.
"""
COMPONENT = "litmus"


@dataclass
class Injection:
    """One experiment of one engine under way."""

    name: str
    settings: dict[str, str]
    started: datetime
    targets: list[str] = field(default_factory=list)
    """Pods, `namespace/name`."""
    ends: datetime | None = None
    next_delete: datetime | None = None
    recovering: bool = False

    def seconds(self, name: str, default: float) -> float:
        return float(self.settings.get(name) or default)


class Litmus:
    """The operator and its experiments. Injections live in memory, as they live in Litmus'
    own pods.
    """

    name = "litmus"
    gvr = ENGINES
    watches: frozenset[Gvr] = frozenset({ENGINES, EXPERIMENTS, RESULTS, PODS})

    def __init__(self, random: random_module.Random) -> None:
        self.random = random
        self.running: dict[str, Injection] = {}
        self.done: dict[str, int] = {}
        """Engine UID to the number of experiments that have ended."""

    def rules(self, view: View) -> list[PacketRule]:
        """The network faults of experiments under way."""
        alive = {obj["metadata"]["uid"] for obj in view.all(ENGINES)}
        return [
            PacketRule(
                f"ChaosEngine {injection.name}",
                frozenset(injection.targets),
                None,
                delay_s=injection.seconds("NETWORK_LATENCY", 2000) / 1000,
                jitter_s=injection.seconds("JITTER", 0) / 1000,
            )
            for uid, injection in self.running.items()
            if injection.name == "pod-network-latency" and not injection.recovering and uid in alive
        ]

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        uid = obj["metadata"]["uid"]
        for gone in self.running.keys() - {
            engine["metadata"]["uid"] for engine in view.all(ENGINES)
        }:
            del self.running[gone]
        if is_terminating(obj) or obj["spec"].get("engineState", "active") == "stop":
            self._stop(view, obj)
            return None
        state = (obj.get("status") or {}).get("engineStatus")
        if state == "completed":
            return None
        if state == "stopped":  # made active again: everything from the beginning
            self.done[uid] = 0
        wanted = obj["spec"].get("experiments") or []
        while (index := self.done.setdefault(uid, 0)) < len(wanted):
            injection = self.running.get(uid) or self._begin(view, obj, wanted[index])
            if injection is None:
                self.done[uid] += 1
                continue
            due = self._advance(view, obj, injection)
            if due is not None:
                return due
        self._write_engine(view, obj, {"engineStatus": "completed"})
        return None

    def _begin(self, view: View, obj: Object, wanted: Object) -> Injection | None:
        """Start the next experiment; None if there is nothing to wait for."""
        name, namespace = wanted["name"], obj["metadata"]["namespace"]
        definition = view.get(EXPERIMENTS, namespace, name)
        if definition is None:
            self._write_experiment(view, obj, name, "Skipped", "N/A")
            told = f"Unable to list Experiment: {name} in namespace: {namespace}"
            view.event(obj, "ExperimentNotFound", told, warning=True, component=COMPONENT)
            return None
        settings = dict(
            _environment(((definition["spec"].get("definition") or {}).get("env")) or [])
        )
        components = (wanted.get("spec") or {}).get("components") or {}
        settings |= dict(_environment(components.get("env") or []))
        injection = Injection(name, settings, view.now())
        self._write_result(view, obj, injection, "Running", "Awaited")
        self._write_experiment(view, obj, name, "Running", "Awaited")
        self._write_engine(view, obj, {"engineStatus": "initialized"})
        failure = self._prepare(view, obj, injection)
        if failure:
            self._finish(view, obj, injection, "Fail", failure)
            return None
        self.running[obj["metadata"]["uid"]] = injection
        view.event(
            obj, "ChaosInject", f"Injecting {name} chaos on application pod", component=COMPONENT
        )
        return injection

    def _prepare(self, view: View, obj: Object, injection: Injection) -> str:
        """Choose the targets; answers why the experiment fails before it began, if it does."""
        if injection.name not in ("pod-delete", "pod-network-latency"):
            return f"[pre-chaos]: this operator knows no experiment {injection.name}"
        candidates = self._candidates(view, obj)
        if not candidates:
            return "[pre-chaos]: no pods found with matching labels"
        if not all(map(is_healthy, candidates)):
            return "[pre-chaos]: application status check failed, some containers are not ready"
        injection.targets = [_id(pod) for pod in self._draw(candidates, injection)]
        injection.ends = view.now() + timedelta(
            seconds=injection.seconds("TOTAL_CHAOS_DURATION", 15)
        )
        injection.next_delete = view.now() if injection.name == "pod-delete" else None
        return ""

    def _advance(self, view: View, obj: Object, injection: Injection) -> datetime | None:
        """One step; answers when the next one is due, or None if the experiment has ended."""
        now, ends = view.now(), injection.ends
        assert ends is not None
        if not injection.recovering and now < ends:
            if injection.next_delete is not None and injection.next_delete <= now:
                self._delete_pods(view, obj, injection)
                injection.next_delete = now + timedelta(
                    seconds=max(0.1, injection.seconds("CHAOS_INTERVAL", 5))
                )
            return min(ends, injection.next_delete or ends)
        injection.recovering = True
        candidates = self._candidates(view, obj)
        if candidates and all(map(is_healthy, candidates)):
            self._finish(view, obj, injection, "Pass", "")
            return None
        if now >= ends + RECOVERY_LIMIT:
            self._finish(
                view, obj, injection, "Fail", "[post-chaos]: application status check failed"
            )
            return None
        return min(ends + RECOVERY_LIMIT, now + timedelta(seconds=1))

    def _delete_pods(self, view: View, obj: Object, injection: Injection) -> None:
        candidates = [pod for pod in self._candidates(view, obj) if is_active(pod)]
        chosen = self._draw(candidates, injection)
        for pod in chosen:
            view.delete(
                PODS, pod, 0 if injection.settings.get("FORCE", "true").lower() == "true" else None
            )
        injection.targets += [_id(pod) for pod in chosen if _id(pod) not in injection.targets]

    def _draw(self, pods: list[Object], injection: Injection) -> list[Object]:
        named = [
            name.strip()
            for name in injection.settings.get("TARGET_PODS", "").split(",")
            if name.strip()
        ]
        if named:
            return [pod for pod in pods if pod["metadata"]["name"] in named]
        percent = injection.seconds("PODS_AFFECTED_PERC", 0)
        return (
            self.random.sample(pods, max(1, math.floor(len(pods) * percent / 100))) if pods else []
        )

    def _candidates(self, view: View, obj: Object) -> list[Object]:
        info = obj["spec"].get("appinfo") or {}
        if not info.get("applabel"):
            return []
        fits = labels_match(info["applabel"])
        pods = view.all(PODS, info.get("appns") or obj["metadata"]["namespace"])
        return sorted(
            (p for p in pods if is_active(p) and fits(p["metadata"].get("labels") or {})), key=_id
        )

    def _stop(self, view: View, obj: Object) -> None:
        injection = self.running.pop(obj["metadata"]["uid"], None)
        if injection is not None:
            self._write_result(view, obj, injection, "Stopped", "Stopped")
            self._write_experiment(view, obj, injection.name, "Aborted", "Stopped")
        if not is_terminating(obj) and (obj.get("status") or {}).get("engineStatus") not in (
            "completed",
            "stopped",
        ):
            self._write_engine(view, obj, {"engineStatus": "stopped"})

    def _finish(
        self, view: View, obj: Object, injection: Injection, verdict: str, failure: str
    ) -> None:
        uid = obj["metadata"]["uid"]
        if self.running.pop(uid, None) is not None:
            self.done[uid] += 1
        self._write_result(view, obj, injection, "Completed", verdict, failure)
        self._write_experiment(view, obj, injection.name, "Completed", verdict)
        view.event(
            obj, "Summary", f"{injection.name} experiment has been {verdict}ed", component=COMPONENT
        )

    def _write_engine(self, view: View, obj: Object, changes: Object) -> None:
        current = view.get(ENGINES, *key_of(obj))
        if current is not None:
            status = {"experiments": [], **(current.get("status") or {}), **changes}
            if status != current.get("status"):
                view.patch(ENGINES, current, {"status": status})

    def _write_experiment(
        self, view: View, obj: Object, name: str, status: str, verdict: str
    ) -> None:
        current = view.get(ENGINES, *key_of(obj))
        known = ((current or {}).get("status") or {}).get("experiments") or []
        entry = {
            "name": name,
            "runner": f"{obj['metadata']['name']}-runner",
            "experimentPod": f"{name}-{obj['metadata']['uid'][:6]}"
            if status != "Skipped"
            else "Yet to be launched",
            "status": status,
            "verdict": verdict,
            "lastUpdateTime": rfc3339(view.now()),
        }
        self._write_engine(
            view, obj, {"experiments": [*(e for e in known if e["name"] != name), entry]}
        )

    def _write_result(
        self,
        view: View,
        obj: Object,
        injection: Injection,
        phase: str,
        verdict: str,
        failure: str = "",
    ) -> None:
        namespace, name = (
            obj["metadata"]["namespace"],
            f"{obj['metadata']['name']}-{injection.name}",
        )
        old = view.get(RESULTS, namespace, name)
        history = dict(
            ((old or {}).get("status") or {}).get("history")
            or {"passedRuns": 0, "failedRuns": 0, "stoppedRuns": 0}
        )
        count = {"Pass": "passedRuns", "Fail": "failedRuns", "Stopped": "stoppedRuns"}.get(verdict)
        if count:
            history[count] = history.get(count, 0) + 1
        state = {"Running": "injected", "Completed": "reverted", "Stopped": "reverted"}[phase]
        history["targets"] = [
            {"name": t.partition("/")[2], "kind": "pod", "chaosStatus": state}
            for t in injection.targets
        ]
        outcome: Object = {"phase": phase, "verdict": verdict, "failStep": failure or "N/A"}
        outcome["probeSuccessPercentage"] = {"Pass": "100", "Awaited": "Awaited"}.get(verdict, "0")
        status = {"experimentStatus": outcome, "history": history}
        spec = {"engine": obj["metadata"]["name"], "experiment": injection.name}
        if old is None:
            labels = {"chaosUID": obj["metadata"]["uid"]}
            view.create(
                RESULTS,
                {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status},
                namespace,
            )
        else:
            labels = {"labels": {"chaosUID": obj["metadata"]["uid"]}}
            view.patch(RESULTS, old, {"metadata": labels, "spec": spec, "status": status})


def _environment(entries: list[Object]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if entry.get("value") is not None:
            yield entry["name"], str(entry["value"])


def _id(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
