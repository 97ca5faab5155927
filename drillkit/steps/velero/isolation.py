"""Scratch namespaces: made, sealed, and shown to be sealed before anything is restored
into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drillkit.clients.kube import DeleteObject, Object
from drillkit.clients.kube.pods import is_finished
from drillkit.clients.kube.resources import PODS
from drillkit.clients.velero import Velero, scratch_undo
from drillkit.clients.velero.seal import API, Opening, opening, probe, stands
from drillkit.clock import DeadlineOver
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Refused, UsageError
from drillkit.model.evidence import Check
from drillkit.model.target import Target
from drillkit.secrets import excerpt
from drillkit.steps.base import Act
from drillkit.steps.expiry import expires
from drillkit.steps.velero.names import named

LIMIT_S = 300.0
"""For all probes: an image may have to be pulled."""
SEALED = "sealed"
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a seal lets through, and how it is shown to hold."""

    openings: tuple[Opening, ...]
    reach: str
    """`HOST:PORT` that is open from elsewhere, or `api`."""
    image: str


def sealing(allow: Iterable[str], reach: str, image: str) -> Sealing:
    """Raises UsageError for what cannot be opened, or when what should be out of reach
    is opened.
    """
    openings = tuple(opening(each) for each in allow)
    if reach != API:
        host, _, port = reach.rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(f"reach: expected HOST:PORT or `{API}`, found `{reach}`")
        if any(each.covers(host.strip("[]"), int(port)) for each in openings):
            raise UsageError(
                f"reach: {reach} is opened by `allow`, so failing to reach it would show nothing"
            )
    return Sealing(openings, reach, image)


def make(
    act: Act,
    velero: Velero,
    scratches: Sequence[str],
    how: Sealing,
    handles: tuple[str, ...],
    restores: tuple[str, ...],
) -> None:
    """Make the namespaces that Restores of these names go into, and prove each of them sealed.

    Raises Refused when one is not, or when nobody can tell; NotOurs when somebody else has one of
    the names.
    """
    for scratch in scratches:
        act.say(f"namespace {scratch}: made and sealed")
        undo = scratch_undo(scratch, act.run.id, handles, expires(act), restores)
        velero.open_scratch(act.book.plan(undo), how.openings)
    _prove(act, velero, scratches, how)


def _prove(act: Act, velero: Velero, scratches: Sequence[str], how: Sealing) -> None:
    """A pod in each must fail to reach what a pod outside reaches at the same time."""
    outside = control_namespace(act.target)
    probes = {
        "": _start(
            act, velero, outside, named(act, "control"), probe(how.image, how.reach, reach=True)
        )
    }
    for number, scratch in enumerate(scratches):
        name = named(act, "seal", *([str(number)] if number else []))
        probes[scratch] = _start(
            act, velero, scratch, name, probe(how.image, how.reach, reach=False)
        )
    try:
        ended = {where: _ended(act, velero, each) for where, each in probes.items()}
    except (DeadlineOver, CallError) as error:
        raise Refused(f"the seal could not be proven: {error}; nothing was restored") from error
    control, told = ended.pop("")
    if not control:
        raise Refused(
            f"the seal could not be proven: a pod in {outside} did not reach {how.reach} either "
            f"({told}). Name an endpoint with `reach: HOST:PORT` that is open to pods there; "
            "nothing was restored"
        )
    for scratch, (sealed, told) in ended.items():
        found = SEALED if sealed else OPEN
        why = f"from {scratch}: {told}; from {outside} it is reached"
        act.observe(
            Check(f"namespace {scratch} is sealed", "prerequisite", SEALED, "==", found, why)
        )
    if leaks := [scratch for scratch, (sealed, _) in ended.items() if not sealed]:
        raise Refused(
            f"namespace {', '.join(leaks)} reaches {how.reach} in spite of its NetworkPolicy: this "
            "cluster's network does not enforce NetworkPolicies, so a restored copy would talk "
            "to production. "
            "Install a network plugin that does, or restore into another cluster; nothing "
            "was restored"
        )


def control_namespace(target: Target) -> str:
    """Where the pod runs that must reach the endpoint."""
    assert target.kubernetes is not None
    return target.kubernetes.namespace


def _start(act: Act, velero: Velero, namespace: str, name: str, body: Object) -> DeleteObject:
    undo = DeleteObject(PODS, name, act.run.id, namespace, expires(act))
    velero.kube.create(act.book.plan(undo), body)
    return undo


def _ended(act: Act, velero: Velero, undo: DeleteObject) -> tuple[bool, str]:
    """(whether it succeeded, its last words)."""

    def look() -> Object | None:
        pod = velero.kube.get(PODS, undo.name, undo.namespace)
        return pod if is_finished(pod) else None

    what = f"{undo.resource} to end (is its image there, and may it run?)"
    pod = act.wait(look, every_s=0.25, limit_s=LIMIT_S, what=what)
    said = velero.kube.log(undo.name, undo.namespace, tail=3).strip().splitlines()
    return pod["status"]["phase"] == "Succeeded", excerpt(
        said[-1], 200
    ) if said else "it said nothing"


def still_sealed(act: Act, velero: Velero, scratches: Sequence[str]) -> None:
    """Write down whether the policies still stand."""
    for scratch in scratches:
        there = stands(velero.kube, scratch, act.run.id)
        found = SEALED if there else "its policy is gone"
        act.observe(Check(f"namespace {scratch} stays sealed", "in-effect", SEALED, "==", found))
