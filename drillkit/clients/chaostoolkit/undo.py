"""An experiment's rollbacks as an undo: planned before its first activity, played by us in a worker
of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.chaostoolkit.literals import fill, secret_values, withheld, withhold
from drillkit.clients.chaostoolkit.protocol import Job, plain_data, rollbacks_of
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Deadline
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted, Lives, Undone
from drillkit.model.errors import CallError, Invalid, JournalLost, Refused
from drillkit.model.evidence import Evidence
from drillkit.model.records import Entry, PlannedEffect
from drillkit.model.yaml_text import load_yaml
from drillkit.secrets import KNOWN, is_secret_name

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.process import WorkerExit

SHARE_AT_LEAST_S = 5.0
"""A rollback gets its share of the time that is left, but at least this."""
_OF_THE_TARGET = ("drillkit.", "chaosk8s.", "chaosaws.")
"""Modules whose activities change nothing but the target."""


@dataclass(frozen=True)
class Rollbacks(UndoAction):
    """Plays an experiment's rollbacks, at least once, each whatever becomes of the others."""

    kind: ClassVar[str] = "chaostoolkit.rollbacks"
    phase = "relieve"

    experiment: str
    """Its name."""
    origin: str
    """Its file: literals that look like secrets are not here but read from it, as long as it is
    the same.
    """
    sha256: str
    document: Mapping[str, Any] = field(default_factory=dict)
    """An experiment with nothing but configuration (resolved), references to secrets, controls
    and rollbacks.
    """

    @property
    def resource(self) -> str:
        names = ", ".join(str(a.get("name")) for a in self.document.get("rollbacks") or [])
        return f"rollbacks of experiment {self.experiment} ({names})"

    @property
    def lives(self) -> Lives:
        """Programs and foreign modules reach anything; our own activities reach the target only."""
        providers = [a.get("provider") or {} for a in self.document.get("rollbacks") or []]
        ours = all(
            p.get("type") == "python" and str(p.get("module", "")).startswith(_OF_THE_TARGET)
            for p in providers
        )
        return "target" if ours else "here"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """See `UndoAction.apply`. Each rollback is observed as an activity of place `rollback`.

        All of them are played once, even when clean-up has little time left.
        """
        document = self._document()
        remaining = list(document["rollbacks"])
        total, failed = len(remaining), list[str]()
        deadline = Deadline.after(
            max(context.deadline.left(), SHARE_AT_LEAST_S * total), context.clock
        )
        while remaining:
            ended = self._play({**document, "rollbacks": remaining}, clients, context, deadline)
            failed += [
                f"{a.name}: {a.error or a.outcome}"
                for a in ended.activities
                if a.outcome != "succeeded"
            ]
            if ended.outcome == "done" and ended.status != "completed":
                raise Invalid(f"the rollbacks cannot be run: {ended.why}")
            if ended.outcome == "done":
                break
            if not ended.activities:
                raise CallError(f"the rollbacks cannot be run: {ended.why}")
            # The last of these hung or took the worker down: the others still get their chance.
            remaining = remaining[len(ended.activities) :]
        if failed:
            # Time alone heals few of these, and each try plays all of them again.
            raise Invalid(f"{len(failed)} of {total} rollbacks failed: {'; '.join(failed)}")
        return Undone("undone", f"{total} of {total} rollbacks succeeded")

    def _play(
        self,
        document: Mapping[str, Any],
        clients: Clients,
        context: UndoContext,
        deadline: Deadline,
    ) -> WorkerExit:
        left = deadline.left()
        job = Job(
            work="rollbacks",
            name=self.experiment,
            experiment=document,
            origin=self.origin,
            sha256=self.sha256,
            target=plain_data(clients.target),
            expected=plain_data(clients.expected),
            limit_s=left,
        )
        ended: WorkerExit = clients.chaostoolkit.run(
            job,
            _Listener(context),
            by="cleanup",
            deadline=deadline,
            each_s=max(SHARE_AT_LEAST_S, left / len(document["rollbacks"])),
        )
        return ended

    def _document(self) -> dict[str, Any]:
        if not withheld(self.document):
            return dict(self.document)
        path = Path(self.origin)
        original = read_experiment(path)
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise Invalid(
                f"expected {path} as it was when the drill ran: it holds literal secrets that the "
                "rollbacks need, and it was changed since. Put it back, or play the rollbacks "
                "by hand"
            )
        filled: dict[str, Any] = fill(self.document, original)
        return filled


class _Listener:
    """Takes what the worker says and passes on what happened. Clean-up goes on even where that
    cannot be kept.
    """

    def __init__(self, context: UndoContext) -> None:
        self._patience = context

    def append(
        self, entry: Entry, *, durable: bool = True, step: str | None = None, by: str = ""
    ) -> int:
        if isinstance(entry, Evidence):
            with contextlib.suppress(JournalLost):
                self._patience.observe(entry)
        return 0

    def plan_entry(
        self, entry: PlannedEffect, counts: Counted, *, by: str = "", step: str | None = None
    ) -> int:
        raise Refused("a rollback makes nothing that would have to be undone in its turn")


def read_experiment(path: Path) -> Mapping[str, Any]:
    """An experiment's file, YAML or JSON. Raises Invalid when it is gone or is no mapping."""
    try:
        data = load_yaml(path.read_text(encoding="utf-8"))  # JSON is YAML, too
    except (OSError, ValueError) as error:
        why = (
            f"{path}: {error}; the rollbacks need its literal secrets. Put it back, or play them "
            "by hand"
        )
        raise Invalid(why) from error
    if not isinstance(data, Mapping):
        raise Invalid(f"{path}: expected an experiment, found {type(data).__name__}")
    return data


def rollbacks_undo(job: Job, configuration: Mapping[str, Any]) -> Rollbacks:
    """The undo of a job's experiment. `configuration` is the resolved one: a rollback sees what the
    method saw.
    """
    safe = withhold(job.experiment, set(job.given))
    KNOWN.learn(secret_values(job.experiment))
    document: dict[str, Any] = {
        "title": str(safe.get("title", "")),
        "description": str(safe.get("description", "")),
        "configuration": {
            key: _resolved(key, declared, configuration, key in job.given)
            for key, declared in (safe.get("configuration") or {}).items()
        },
        "method": [],
        "rollbacks": [
            {k: v for k, v in a.items() if k != "background"} for a in rollbacks_of(safe)
        ],
    }
    document |= {key: safe[key] for key in ("controls", "extensions") if safe.get(key)}
    if found := _needed(safe.get("secrets") or {}, document):
        document["secrets"] = found
    plain: dict[str, Any] = json.loads(json.dumps(document, default=str))
    return Rollbacks(job.name, job.origin, job.sha256, plain)


def _needed(secrets: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The secrets that rollbacks may ask for, by the name of their group or of one of them; all
    where controls may.
    """
    if document.get("controls"):
        return dict(secrets)
    text = json.dumps([document["rollbacks"], document["configuration"]], default=str)

    def names(group: str, values: Any) -> list[str]:
        return [group, *(values if isinstance(values, Mapping) else ())]

    return {
        group: values
        for group, values in secrets.items()
        if any(name in text for name in names(group, values))
    }


def _resolved(key: str, declared: Any, configuration: Mapping[str, Any], given: bool) -> Any:
    """The value that the method sees; the reference where that is a secret or cannot be
    written down.
    """
    if key not in configuration or withheld(declared):
        return declared
    value = configuration[key]
    hidden = isinstance(declared, Mapping) and is_secret_name(key) and not given
    if (
        hidden
        or not isinstance(value, str | int | float | bool | list | dict | None)
        or KNOWN.mentions(value if isinstance(value, str) else json.dumps(value, default=str))
    ):
        return declared
    return value
