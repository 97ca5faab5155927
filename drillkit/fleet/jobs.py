"""The Job of one target: submitted, looked at, taken back.

Its undo stands in the bucket before it is submitted (`SubmittedJob`), and its run has a name that
only one process can begin: a Job whose pod is started twice, or that is submitted twice, runs its
drill once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from drillkit.clients import Clients
from drillkit.clients.kube import DeleteObject, Kube, Object
from drillkit.clients.kube.resources import CONFIGMAPS, JOBS, PODS, SERVICE_ACCOUNTS
from drillkit.clients.undo import UndoContext
from drillkit.clock import Clock, Deadline, utc
from drillkit.fleet.plan import FleetPlan
from drillkit.fleet.store import SubmittedJob
from drillkit.journal.book import E, Planned, planned_entry
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data
from drillkit.model.effects import Undo
from drillkit.model.errors import Refused, UsageError
from drillkit.model.records import Entry, UndoPlanned
from drillkit.schedule.pod import (
    KEPT_S,
    DrillPod,
    files_fit,
    in_pod,
    job_spec,
    pod_spec,
    targets_yaml,
)

FLEET = "drillkit.dev/fleet"
"""Label of a fleet's Jobs; its value is the fleet's id."""
TARGET = "drillkit.dev/target"
"""Annotation: the target that a Job is about."""
BROKEN = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
    }
)
"""Why a container waits that will not begin by itself."""
GRACE_S = 60.0
"""What a pod may need besides its own time until it is gone."""

JobState: TypeAlias = Literal["runs", "ended", "absent"]


@dataclass(frozen=True, slots=True)
class LastWords:
    """What a Job's pod said."""

    code: int | None
    """How its process ended; None: it has not, or never began."""
    text: str
    broken: bool = False
    """It waits for something that will not come by itself."""


class FleetBook:
    """Receipts for what stands in the bucket already, and for nothing else.

    What is confirmed is not written down: whoever takes a Job back looks whether it is there.
    """

    def __init__(self, submitted: SubmittedJob) -> None:
        self._durable = [dict(each) for each in submitted.undos]

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """See `Book.append`."""
        return 0

    def plan(self, effect: E) -> Planned[E]:
        """See `Book.plan`. Raises Refused for an effect whose undo nobody wrote down."""
        if not isinstance(effect, Undo) or encoded(effect) not in self._durable:
            raise Refused(f"{effect.resource}: its undo does not stand in the fleet's bucket")
        return Planned(0, effect, self)


def encoded(undo: Undo) -> dict[str, Any]:
    """An undo as it stands in the bucket. Raises UndoNotLoadable."""
    entry = planned_entry(undo)
    assert isinstance(entry, UndoPlanned)
    return {"kind": entry.undo, "arguments": entry.args}


def submission(plan: FleetPlan, target: str, run: str, at: float, cluster: str) -> SubmittedJob:
    """What is to be written down before a target's Job is submitted. `cluster`: UID of the one that
    it will be in.
    """
    namespace = plan.job_of(target).namespace
    name = f"drillkit-{_short(target)}-{run}"
    # Until the cluster itself forgets it.
    until = utc(at + plan.longest_s + KEPT_S).isoformat(timespec="seconds")
    undos = [DeleteObject(of, name, run, namespace, until) for of in (JOBS, CONFIGMAPS)]
    return SubmittedJob(
        target=target,
        run=run,
        job=name,
        namespace=namespace,
        at=at,
        undos=tuple(map(encoded, undos)),
        cluster=cluster,
    )


def undos_of(submitted: SubmittedJob) -> tuple[DeleteObject, DeleteObject]:
    """What takes a Job back, and its files."""
    job, files = (
        from_data(DeleteObject, each["arguments"])
        for each in submitted.undos
        if each["kind"] == DeleteObject.kind
    )
    return job, files


def must_have_account(kube: Kube, plan: FleetPlan, target: str) -> None:
    """Raises UsageError where the ServiceAccount of a target's Job is missing, CallError."""
    job = plan.job_of(target)
    name = str(job.service_account)
    if kube.find(SERVICE_ACCOUNTS, name, job.namespace) is None:
        raise UsageError(
            f"{SERVICE_ACCOUNTS.said(name, job.namespace)} is missing, which its Job runs as; make "
            f"it with what `drillkit fleet accounts {plan.drill} --targets {target}` prints"
        )


def submit(kube: Kube, plan: FleetPlan, submitted: SubmittedJob) -> None:
    """Have the cluster run it, unless it does already. Raises CallError, NotOurs."""
    book = FleetBook(submitted)
    job, files = undos_of(submitted)
    made = kube.create(book.plan(job), _job(plan, submitted))
    # The pod waits for its files; that they belong to the Job lets them go with it.
    kube.create(book.plan(files), _files(plan, submitted, made))


def state_of(kube: Kube, submitted: SubmittedJob) -> tuple[JobState, str]:
    """How its Job stands, and what its cluster says of that. Raises CallError."""
    found = kube.find(JOBS, submitted.job, submitted.namespace)
    if found is None:
        return "absent", "its Job is not there (any more)"
    for each in (found.get("status") or {}).get("conditions") or []:
        if each.get("type") in ("Complete", "Failed") and each.get("status") == "True":
            return "ended", f"{each.get('reason', '')}: {each.get('message', '')}"
    return "runs", ""


def last_words(kube: Kube, submitted: SubmittedJob) -> LastWords:
    """What its pod said last. Raises CallError."""
    pods = kube.list(PODS, submitted.namespace, selector=f"job-name={submitted.job}")
    found = LastWords(None, "")
    for pod in pods:
        found = _words_of(pod)
    return found


def _words_of(pod: Object) -> LastWords:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        if (ended := state.get("terminated")) is not None:
            words = ended.get("message") or ended.get("reason") or ""
            return LastWords(int(ended["exitCode"]), str(words))
        if (waiting := state.get("waiting")) is not None:
            reason = str(waiting.get("reason", ""))
            words = ": ".join(filter(None, (reason, waiting.get("message", ""))))
            return LastWords(None, words, reason in BROKEN)
    for each in status.get("conditions") or []:
        if each.get("status") == "False" and each.get("message"):
            return LastWords(None, f"{each.get('reason', '')}: {each['message']}")
    return LastWords(None, str(status.get("message") or ""))


def take_back(clients: Clients, plan: FleetPlan, submitted: SubmittedJob, clock: Clock) -> str:
    """Delete its Job, which has SIGTERM stop its drill, and wait until its pod has ended; what is
    known of that. Raises CallError, DeadlineOver saying what is still there.
    """
    undo, _ = undos_of(submitted)
    there = clients.kube.find(undo.of, undo.name, undo.namespace)
    known = {"uid": there["metadata"]["uid"]} if there is not None else {}
    deadline = Deadline.after(plan.stop_s + GRACE_S, clock)
    context = UndoContext(clock, deadline, clock.mono(), there is not None, known)
    return undo.apply(clients, context).detail


def _job(plan: FleetPlan, submitted: SubmittedJob) -> Object:
    target = submitted.target
    job = plan.job_of(target)
    labels = {
        "app.kubernetes.io/name": "drillkit",
        "drillkit/drill": plan.folder,
        FLEET: plan.id,
    }
    pod = DrillPod(
        account=str(job.service_account),
        image=plan.image,
        args=(
            *("run", plan.drill, "--target", target, "--fleet", plan.id, "--out", plan.place),
            *("--yes", "--recover", "--quiet"),
        ),
        files=tuple(_project(plan, target)),
        config_map=submitted.job,
        # What is here is a copy, and may end with the pod.
        runs={"emptyDir": {}},
        stop_s=plan.stop_s,
        env={"DRILLKIT_OPERATOR": plan.operator},
        env_secret=job.secret,
        kubeconfig_secret=job.kubeconfig_secret,
    )
    return {
        "metadata": {"labels": labels, "annotations": {TARGET: target}},
        "spec": job_spec(pod_spec(pod), plan.longest_s, labels),
    }


def _files(plan: FleetPlan, submitted: SubmittedJob, job: Object) -> Object:
    owner = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "name": submitted.job,
        "uid": job["metadata"]["uid"],
    }
    return {
        "metadata": {"labels": {FLEET: plan.id}, "ownerReferences": [owner]},
        "data": files_fit(_project(plan, submitted.target).items()),
    }


def _project(plan: FleetPlan, target: str) -> Mapping[str, str]:
    """The project's files as the pod of a target sees them, with no other target."""
    found = plan.targets[target]
    own_token = found.fleet.kubeconfig_secret is None
    return {**plan.files, plan.targets_file: targets_yaml(in_pod(found, own_token=own_token))}


def _short(target: str) -> str:
    kept = "".join(c if c.isalnum() and c.isascii() else "-" for c in target.lower())
    return kept[:30].strip("-") or "target"
