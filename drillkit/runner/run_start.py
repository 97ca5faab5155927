"""Names, folder, lock, registration and record 1 of a run: everything before it looks at
the world.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from drillkit.clients.chaostoolkit.literals import secret_values, secret_variables
from drillkit.clock import now_utc
from drillkit.journal.files import make_folder
from drillkit.journal.runs import JOURNAL, RunLock, register
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.drill import Drill, Step
from drillkit.model.errors import DrillError, UsageError
from drillkit.model.records import ListedStep, RunOpened
from drillkit.model.target import Target
from drillkit.secrets import KNOWN, encodable, learn
from drillkit.secrets.environment import remember
from drillkit.steps.base import Experiment, RunNames, kind_named

_ALPHABET = "bcdfghjkmnpqrstvwxz2456789"


def new_names(drill: str) -> RunNames:
    """A run's names: sortable by start, unique, fit for labels and for RDS identifiers."""
    started = now_utc()
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return RunNames(f"{started:%Y%m%d-%H%M%S}-{tail}", drill, started)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run lives."""

    folder: Path
    lock: RunLock

    @property
    def journal(self) -> Path:
        return self.folder / JOURNAL


def open_place(reports: Path, names: RunNames, target: str, owner: str) -> Place:
    """Make the run's folder, lock it and note the run as open. Raises UsageError when that cannot
    be written.
    """
    folder = reports / names.drill / names.id
    try:
        make_folder(folder, exist_ok=False)
        lock = RunLock.take(folder)
        assert lock is not None  # the folder is ours since a moment ago
        register(names.id, folder, target, owner)
    except OSError as error:
        raise cannot_be_written(folder, error) from error
    return Place(folder, lock)


def cannot_be_written(where: Path, error: OSError) -> UsageError:
    """What to tell whoever chose that place."""
    return UsageError(
        f"the run's folder cannot be written: {getattr(error, 'filename', None) or where}: "
        f"{error.strerror}. Nothing was touched. Choose another place with --out, or "
        "set DRILLKIT_HOME"
    )


def operator() -> str:
    """Who runs this: DRILLKIT_OPERATOR, else user@host."""
    if named := os.environ.get("DRILLKIT_OPERATOR"):
        return encodable(named)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this uid, as in many containers
        user = f"uid {os.getuid()}"
    return encodable(f"{user}@{socket.gethostname()}")


def each_step(drill: Drill) -> list[tuple[Step, str]]:
    """Every step with the name of its group ('' where it has none)."""
    return [(step, entry.group) for entry in drill.steps for step in entry.members]


def learn_secrets(drill: Drill, find_experiment: Callable[[str], Experiment]) -> None:
    """Know what a drill and its experiments refer to, before anything is written or started."""
    learn(to_data(drill))
    for step in drill.every_step:
        name = step.with_.get("experiment")
        if step.uses != "chaostoolkit" or not isinstance(name, str):
            continue
        # One that cannot be read is told by whoever runs it.
        with contextlib.suppress(DrillError, OSError):
            experiment = find_experiment(name).data
            KNOWN.learn(secret_values(experiment))
            for variable in secret_variables(experiment):
                remember(variable)


def opening_record(
    drill: Drill,
    source: bytes,
    target: Target,
    names: RunNames,
    trigger: str,
    digests: Mapping[str, str],
) -> RunOpened:
    """What record 1 says before anybody has looked at the target, but for versions. References to
    secrets are in it, their values never are.
    """
    return RunOpened(
        run=names.id,
        drill=drill,
        target=target,
        operator=operator(),
        trigger=trigger,
        digests={"drill": hashlib.sha256(source).hexdigest(), **digests},
        vantage={
            "host": socket.gethostname(),
            "platform": _platform(),
            "python": sys.version.split()[0],
        },
        boot=boot_id(),
        steps=tuple(_listed(step, group) for step, group in each_step(drill)),
    )


def _listed(step: Step, group: str) -> ListedStep:
    kind = kind_named(step.uses)
    return ListedStep(step.name, step.uses, kind.disturbs, group, kind.rehearses)


def _platform() -> str:
    """Without `platform.platform()`, which starts `uname -p`."""
    found = os.uname()
    return f"{found.sysname}-{found.release}-{found.machine}"


def boot_id() -> str:
    """Which boot the monotonic clock counts from; '' where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
