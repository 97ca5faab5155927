"""What the runner tells a worker and what comes back. Plain data; imported by both sides, so
nothing heavy here.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

from drillkit.clients.chaostoolkit.faults import OWN_MODULES, has_faults
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data, to_data

Place: TypeAlias = Literal["before", "method", "during", "after", "rollback"]
Strategy: TypeAlias = Literal[
    "default",
    "before-method-only",
    "after-method-only",
    "during-method-only",
    "continuously",
    "skip",
]

OWN_UNDO = "drillkit.faults.undo"
"""What shipped experiments list as rollback for plain `chaos run`; under drillkit the journal
does it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One experiment to run, the rollbacks of one, or another look at its steady state."""

    work: Literal["experiment", "rollbacks", "hypothesis"]
    experiment: Mapping[str, Any]
    """The document, with the step's configuration merged in."""
    name: str
    """Name of the experiment, for people."""
    origin: str = ""
    """File it came from: beside it lie the modules and files it names, and the literals that no
    journal may hold.
    """
    sha256: str = ""
    """Digest of that file."""
    given: tuple[str, ...] = ()
    """Keys of `configuration` whose values the step gave."""
    run: str = ""
    """Id of the run, for labels."""
    step: str = ""
    target: Mapping[str, Any] = field(default_factory=dict)
    """Plain data of the Target."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """Plain data of the Identity that the target must turn out to have."""
    limit_s: float = 3600.0
    log: str = ""
    """File for Chaos Toolkit's log; '' for none."""
    strategy: Strategy | None = None
    """Of the steady-state hypothesis; None: as the experiment says."""
    frequency_s: float = 1.0
    """Between two rounds of a continuous hypothesis."""
    fail_fast: bool = False
    """End the method at the first missed round of a continuous hypothesis."""


def encode_job(job: Job) -> bytes:
    """One line. Dates that YAML made become text, as they are in a JSON experiment."""
    data = {name: getattr(job, name) for name in job.__dataclass_fields__}
    return json.dumps(data, default=str).encode() + b"\n"


def decode_job(line: bytes) -> Job:
    """The inverse. Raises ValueError."""
    job: Job = from_data(Job, json.loads(line))
    return job


def plain_data(noun: Any) -> Mapping[str, Any]:
    """Plain data of a target or an identity: it holds references to secrets, never their values."""
    data: Mapping[str, Any] = to_data(noun)
    return data


def is_own(activity: Mapping[str, Any]) -> bool:
    """Whether an activity is a fault that plans its own undo and says what it touched, or a probe
    beside such ones.
    """
    provider = activity.get("provider") or {}
    return provider.get("type") == "python" and has_faults(str(provider.get("module") or ""))


def provider_of(activity: Mapping[str, Any]) -> str:
    """What runs it, for people: `chaosk8s.pod.actions.terminate_pods`, `process kubectl`,
    `http POST`.
    """
    provider = activity.get("provider") or {}
    match provider.get("type"):
        case "python":
            return f"{provider.get('module')}.{provider.get('func')}"
        case "process":
            return f"process {provider.get('path')}"
        case "http":
            return f"http {provider.get('method', 'GET')}"
        case other:
            return str(other)


def process_words(provider: Mapping[str, Any]) -> list[str]:
    """Program and arguments of a process provider, as Chaos Toolkit would pass them on."""
    words, given = str(provider.get("path") or "").split(), provider.get("arguments")
    if isinstance(given, str):
        with contextlib.suppress(ValueError):  # Chaos Toolkit tells what is wrong with it
            words += shlex.split(given)
    elif isinstance(given, Mapping):
        words += [str(word) for pair in given.items() for word in pair if word not in (None, "")]
    elif isinstance(given, list):
        words += map(str, given)
    return words


def activities_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every activity with its place (`hypothesis`, `method`, `rollback`), references resolved."""
    probes = (document.get("steady-state-hypothesis") or {}).get("probes") or []
    places = {
        "hypothesis": probes,
        "method": document.get("method"),
        "rollback": document.get("rollbacks"),
    }
    for place, found in places.items():
        for activity in found or []:
            yield place, resolve(activity, document)


def needs_account(document: Mapping[str, Any]) -> bool:
    """Whether an experiment may ask for an AWS account: not when all it does is known to speak to
    the cluster, or to an address that it names itself.
    """
    if document.get("controls"):
        return True
    known = (OWN_MODULES, "chaosk8s.")
    providers = [activity.get("provider") or {} for _, activity in activities_of(document)]
    others = [provider for provider in providers if provider.get("type") != "http"]
    return any(not str(provider.get("module") or "").startswith(known) for provider in others)


def resolve(activity: Mapping[str, Any], experiment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The activity that a `ref` names (among method and hypothesis, as Chaos Toolkit has it),
    or itself.
    """
    ref = activity.get("ref")
    if not ref:
        return activity
    probes = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    for other in [*(experiment.get("method") or []), *probes]:
        if other.get("name") == ref:
            found: Mapping[str, Any] = other
            return found
    return activity


def rollbacks_of(experiment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rollbacks that Chaos Toolkit itself must run: without those that the journal's
    undos replace.
    """
    found = [resolve(activity, experiment) for activity in experiment.get("rollbacks") or []]
    return [a for a in found if str((a.get("provider") or {}).get("module") or "") != OWN_UNDO]
