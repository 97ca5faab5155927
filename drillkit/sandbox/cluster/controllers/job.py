"""Jobs: run pods to completion, within limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.values import (
    controller_of,
    is_active,
    is_finished,
    phase,
    set_condition,
    without_none,
)
from drillkit.sandbox.cluster.view import View, pods_of_template
from drillkit.sandbox.kube.objects import (
    JOBS,
    PODS,
    Gvr,
    Object,
    clone,
    condition,
    is_ready,
    is_terminating,
    parse_time,
    rfc3339,
)

BACKOFF_S = 1.0
BACKOFF_LIMIT_S = 60.0
COMPONENT = "job-controller"
TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer of a Job's pod: it stays until its end has been counted."""
_DEFAULT_GRACE_S = 30


@dataclass(frozen=True)
class Verdict:
    """How a Job ends: the condition that says so as soon as it is known, and the one that says so
    once its last pod has gone.
    """

    known: str
    over: str
    reason: str
    message: str


_DONE = Verdict(
    "SuccessCriteriaMet",
    "Complete",
    "CompletionsReached",
    "Reached expected number of succeeded pods",
)


def _failed(reason: str, message: str) -> Verdict:
    return Verdict("FailureTarget", "Failed", reason, message)


@dataclass(frozen=True)
class Tally:
    """How many pods have ended so far, and those that are counted for the first time now."""

    succeeded: int
    failed: int
    ended: tuple[Object, ...]


@dataclass(frozen=True)
class Jobs:
    """completions, parallelism, backoffLimit, activeDeadlineSeconds, podReplacementPolicy, suspend
    and ttlSecondsAfterFinished.
    """

    name: str = "job"
    gvr: Gvr = JOBS
    watches: frozenset[Gvr] = frozenset({JOBS, PODS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if is_terminating(obj) or finished_at(obj) is not None:
            _release(view, view.owned(PODS, obj))
            return None if is_terminating(obj) else self._expire(view, obj)
        obj = self._with_selector(view, obj)
        pods = view.owned(PODS, obj)
        tally = tally_of(obj, pods)
        if obj["spec"].get("suspend"):
            self._suspend(view, obj, pods, tally)
            return None
        verdict, due = self._judge(view, obj, pods, tally)
        if verdict is None:
            self._start_pods(view, obj, pods, tally)
        elif verdict.over == "Failed":
            tally = self._give_up(view, pods, tally)
        current = view.get(JOBS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is not None:
            self._write(view, current, tally, verdict)
        _release(view, tally.ended)
        return due

    def _suspend(self, view: View, obj: Object, pods: list[Object], tally: Tally) -> None:
        """Pods that a suspension ends have not failed."""
        active = [pod for pod in pods if is_active(pod)]
        _release(view, active)
        for pod in active:
            view.delete(PODS, pod)
        self._write(view, obj, tally, None, suspended=True)
        _release(view, tally.ended)

    def _give_up(self, view: View, pods: list[Object], tally: Tally) -> Tally:
        """Ends what still runs; it counts as failed."""
        for pod in filter(is_active, pods):
            view.delete(PODS, pod)
        known = {pod["metadata"]["uid"] for pod in tally.ended}
        rest = [pod for pod in pods if _is_tracked(pod) and pod["metadata"]["uid"] not in known]
        return Tally(tally.succeeded, tally.failed + len(rest), (*tally.ended, *rest))

    def _judge(
        self, view: View, obj: Object, pods: list[Object], tally: Tally
    ) -> tuple[Verdict | None, datetime | None]:
        """The verdict, if there is one already, else when to look again."""
        spec, now = obj["spec"], view.now()
        known = condition(obj, "FailureTarget")
        if known is not None:
            return _failed(known["reason"], known["message"]), None
        limit = spec.get("backoffLimit", 6)
        if tally.failed > limit or _restarted_too_often(spec, pods, limit):
            reached = "Job has reached the specified backoff limit"
            return _failed("BackoffLimitExceeded", reached), None
        due: list[datetime] = []
        if spec.get("activeDeadlineSeconds") is not None:
            started = parse_time((obj.get("status") or {}).get("startTime") or rfc3339(now))
            deadline = started + timedelta(seconds=spec["activeDeadlineSeconds"])
            if now >= deadline:
                late = "Job was active longer than specified deadline"
                return _failed("DeadlineExceeded", late), None
            due.append(deadline)
        wanted = spec.get("completions") or (None if "parallelism" in spec else 1)
        if tally.succeeded >= (wanted or 1) and not any(map(is_active, pods)):
            return _DONE, None
        retry = _retry_at(pods, tally, now)
        due += [retry] if retry is not None and retry > now else []
        return None, min(due, default=None)

    def _start_pods(self, view: View, obj: Object, pods: list[Object], tally: Tally) -> None:
        spec, now = obj["spec"], view.now()
        retry = _retry_at(pods, tally, now)
        if retry is not None and now < retry:
            return
        active = sum(map(is_active, pods))
        parallelism = spec.get("parallelism", 1)
        if spec.get("completions"):
            left = spec["completions"] - tally.succeeded
        else:
            left = active if tally.succeeded else parallelism
        ending = sum(map(_is_ending, pods)) if _waits_for_the_end(obj) else 0
        for _ in range(min(parallelism, left) - active - ending):
            pod = pods_of_template(obj, clone(spec["template"]), job_labels(obj))
            pod["metadata"]["generateName"] = f"{obj['metadata']['name']}-"
            pod["metadata"]["finalizers"] = [TRACKING]
            if pod["spec"].get("restartPolicy", "Always") == "Always":
                pod["spec"]["restartPolicy"] = "Never"
            made = view.create(PODS, pod, obj["metadata"]["namespace"])
            view.event(
                obj,
                "SuccessfulCreate",
                f"Created pod: {made['metadata']['name']}",
                component=COMPONENT,
            )

    def _with_selector(self, view: View, obj: Object) -> Object:
        if obj["spec"].get("selector"):
            return obj
        selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": obj["metadata"]["uid"]}}
        return view.patch(JOBS, obj, {"spec": {"selector": selector}})

    def _write(
        self,
        view: View,
        obj: Object,
        tally: Tally,
        verdict: Verdict | None,
        *,
        suspended: bool = False,
    ) -> None:
        old, now = obj.get("status") or {}, view.now()
        pods = view.owned(PODS, obj)
        ending = sum(map(_is_ending, pods))
        over = verdict is not None and not ending
        active = [] if verdict is not None else [pod for pod in pods if is_active(pod)]
        status = without_none(
            {
                "startTime": old.get("startTime") or (None if suspended else rfc3339(now)),
                "active": len(active) or None,
                "ready": sum(map(is_ready, active)),
                "terminating": ending,
                "succeeded": tally.succeeded or None,
                "failed": tally.failed or None,
                "uncountedTerminatedPods": {},
                "completionTime": rfc3339(now) if over and verdict == _DONE else None,
                "conditions": _conditions(old, verdict, over, suspended, now) or None,
            }
        )
        view.write_status(JOBS, obj, status)
        if over and verdict is not None:
            well = verdict == _DONE
            reason = "Completed" if well else verdict.reason
            message = "Job completed" if well else verdict.message
            view.event(obj, reason, message, warning=not well, component=COMPONENT)

    def _expire(self, view: View, obj: Object) -> datetime | None:
        ttl = obj["spec"].get("ttlSecondsAfterFinished")
        ended = finished_at(obj)
        if ttl is None or ended is None:
            return None
        at = ended + timedelta(seconds=ttl)
        if at > view.now():
            return at
        view.delete(JOBS, obj)
        return None


@dataclass(frozen=True)
class OrphanedPods:
    """Lets pods go whose Job nobody keeps count of any more: it is gone, or it has ended."""

    name: str = "job-orphans"
    gvr: Gvr = PODS
    watches: frozenset[Gvr] = frozenset({PODS, JOBS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if not _is_tracked(obj):
            return None
        owner = controller_of(obj) or {}
        job = view.get(JOBS, obj["metadata"]["namespace"], owner.get("name") or "")
        mine = job is not None and job["metadata"]["uid"] == owner.get("uid")
        if job is None or not mine or finished_at(job) is not None:
            _release(view, [obj])
        return None


def tally_of(obj: Object, pods: Iterable[Object]) -> Tally:
    """What a Job's status has counted, and its pods that have ended since."""
    status = obj.get("status") or {}
    ended = tuple(pod for pod in pods if _is_tracked(pod) and _has_ended(obj, pod))
    good = sum(phase(pod) == "Succeeded" for pod in ended)
    return Tally(
        status.get("succeeded", 0) + good, status.get("failed", 0) + len(ended) - good, ended
    )


def _has_ended(obj: Object, pod: Object) -> bool:
    """A pod that is being deleted has failed, unless only a pod's real end counts."""
    return is_finished(pod) or (is_terminating(pod) and not _waits_for_the_end(obj))


def _waits_for_the_end(obj: Object) -> bool:
    return bool(obj["spec"].get("podReplacementPolicy") == "Failed")


def _is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _is_ending(pod: Object) -> bool:
    return is_terminating(pod) and not is_finished(pod)


def _release(view: View, pods: Iterable[Object]) -> None:
    """Lets pods go whose end is counted."""
    for pod in pods:
        current = view.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        same = current is not None and current["metadata"]["uid"] == pod["metadata"]["uid"]
        if current is not None and same and _is_tracked(current):
            rest = [each for each in current["metadata"]["finalizers"] if each != TRACKING]
            view.patch(PODS, current, {"metadata": {"finalizers": rest or None}})


def _restarted_too_often(spec: Object, pods: Iterable[Object], limit: int) -> bool:
    """Whether containers that are restarted in their pods have used up the limit."""
    if (spec["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(restart_count(pod) for pod in pods if not is_finished(pod))
    return restarts >= max(1, limit)


def _retry_at(pods: Iterable[Object], tally: Tally, now: datetime) -> datetime | None:
    """When the next pod may start after one that failed; None where nothing speaks against it."""
    ends = [_end_of(pod, now) for pod in pods if phase(pod) == "Failed" or _is_ending(pod)]
    if not ends or not tally.failed:
        return None
    wait_s = min(BACKOFF_S * 2 ** (tally.failed - 1), BACKOFF_LIMIT_S)
    return max(ends) + timedelta(seconds=wait_s)


def _end_of(pod: Object, now: datetime) -> datetime:
    if not _is_ending(pod):
        return ended_at(pod, now)
    meta = pod["metadata"]
    grace_s = meta.get("deletionGracePeriodSeconds", _DEFAULT_GRACE_S)
    return parse_time(meta["deletionTimestamp"]) - timedelta(seconds=grace_s)


def _conditions(
    old: Object, verdict: Verdict | None, over: bool, suspended: bool, now: datetime
) -> list[Object]:
    conditions = [each for each in old.get("conditions") or [] if each["type"] != "Suspended"]
    told: list[tuple[str, str, str]] = []
    if suspended:
        told = [("Suspended", "JobSuspended", "Job suspended")]
    if verdict is not None:
        kinds = (verdict.known, verdict.over) if over else (verdict.known,)
        told = [(kind, verdict.reason, verdict.message) for kind in kinds]
    for kind, reason, message in told:
        conditions = set_condition(conditions, kind, True, reason, message, now)
    return [{**each, "lastProbeTime": each["lastTransitionTime"]} for each in conditions]


def finished_at(obj: Object) -> datetime | None:
    """When a Job completed or failed; None while it runs."""
    for kind in ("Complete", "Failed"):
        found = condition(obj, kind)
        if found is not None and found["status"] == "True":
            return parse_time(found["lastTransitionTime"])
    return None


def job_labels(obj: Object) -> dict[str, str]:
    """The labels by which a Job's pods are found."""
    name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
    return {
        "batch.kubernetes.io/job-name": name,
        "job-name": name,
        "batch.kubernetes.io/controller-uid": uid,
        "controller-uid": uid,
    }


def restart_count(pod: Object) -> int:
    """How often the pod's containers were restarted."""
    return sum(
        c.get("restartCount", 0) for c in (pod.get("status") or {}).get("containerStatuses") or []
    )


def ended_at(pod: Object, default: datetime) -> datetime:
    """When the pod's last container ended."""
    states = [
        (c.get("state") or {}).get("terminated")
        for c in (pod.get("status") or {}).get("containerStatuses") or []
    ]
    return max(
        (parse_time(s["finishedAt"]) for s in states if s and s.get("finishedAt")), default=default
    )
