"""What a step kind is, and what a step is handed when it runs.

A new kind is one module in this folder (`velero.restore` is `velero_restore.py`) that ends in
`KIND = MyKind()`, or a plug-in of entry-point group `drillkit.steps`. It writes evidence; it
never judges.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import field, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from drillkit.clients import Clients
from drillkit.clients.polling import poll
from drillkit.clients.undo import AskPeople
from drillkit.clock import Clock, Deadline, Fence
from drillkit.entry_points import Registry
from drillkit.journal.book import Book, observe
from drillkit.journal.files import capped_content, make_folder, write_file
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Objectives, StepCheck
from drillkit.model.evidence import Attachment, Evidence, Mark, Scalar
from drillkit.model.prospect import Prospect
from drillkit.model.records import Progress
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.target import Target
from drillkit.secrets import KNOWN

A = TypeVar("A")
T = TypeVar("T")
Objective: TypeAlias = Literal["rto", "rpo", "recovery", "detect"]
"""`acknowledge` and `mitigate` are measured wherever `detect` is: by what people say."""
DATABASE_CHECKS = frozenset({"sql", "rows", "newest", "checksum", "canary"})
"""Checks that read a database."""
FROM_HERE = frozenset({"http", "command", "uses"})
"""Checks that need nothing but this machine, and those of other packages."""


@dataclass(frozen=True, slots=True)
class RunNames:
    """Names that a run gives to things."""

    id: str
    """`20261101-030000-x7k2`: lower-case letters, digits and dashes, so it fits labels and
    RDS names.
    """
    drill: str
    started: datetime

    def label(self) -> Mapping[str, str]:
        """Labels that mark a Kubernetes object as this run's. The object's own name goes beside
        them (`of`).
        """
        return {"drillkit.dev/run": self.id}


@dataclass(frozen=True, slots=True)
class Experiment:
    """A Chaos Toolkit file as it was when the run began."""

    name: str
    path: Path
    sha256: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Act:
    """What a step is handed. Everything it does to the outside goes through here."""

    name: str
    run: RunNames
    target: Target
    book: Book
    clients: Clients
    clock: Clock
    fence: Fence
    deadline: Deadline
    folder: Path
    """The run's folder; attachments go to `attachments/` in it."""
    find_experiment: Callable[[str], Experiment]
    objectives: Objectives = field(default_factory=Objectives)
    checks: tuple[StepCheck, ...] = ()
    outputs: dict[str, Scalar] = field(default_factory=dict)
    """What later steps may use as `${steps.NAME.outputs.KEY}`."""
    cut: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None
    """Register what an abort calls to cut the step at once (it must return quickly); gives back
    the unregistering.
    """
    allow_unsafe: bool = False
    """Whether calls that are known to be dangerous may pass, on a target that is not protected."""
    people: AskPeople | None = None
    """Asks people to do something by hand; None: nobody is there."""
    lock_fd: int | None = None
    """The run's lock: a process that acts inherits it (`pass_fds`), so `recover` waits until that
    process is gone.
    """

    def observe(self, evidence: Evidence) -> None:
        """Write down what was seen."""
        observe(self.book, evidence, step=self.name)

    def mark(self, moment: Any, *, at: float | None = None, simulated: bool = False) -> None:
        """Write down a moment: now, or `at` on the monotonic clock."""
        self.observe(Mark(moment, self.clock.mono() if at is None else at, simulated))

    def say(self, text: str) -> None:
        """Tell who is watching. Never judged."""
        self.book.append(Progress(text), durable=False, step=self.name)

    def attach(self, name: str, media_type: str, content: bytes) -> None:
        """Keep a file with the run, tied to the journal by its digest. Secrets are hidden in it,
        and what is too long is cut.
        """
        content = capped_content(KNOWN.content(content))
        folder = self.folder / "attachments"
        make_folder(folder)
        write_file(folder / name, content)
        self.observe(
            Attachment(name, media_type, hashlib.sha256(content).hexdigest(), len(content))
        )

    def wait(
        self, until: Callable[[], T | None], *, every_s: float, limit_s: float | None, what: str
    ) -> T:
        """Ask `until` again and again until it gives something.

        `every_s` seconds between questions, `limit_s` seconds in all (None: what is left of the
        step). Raises DeadlineOver naming `what`, Refused when the run is aborted meanwhile.
        """
        deadline = self.deadline.sooner(limit_s)
        return poll(
            self, lambda _: until(), what=what, deadline=deadline, first_s=every_s, cap_s=every_s
        )


class Kind(Generic[A]):
    """A kind of step. Its docstring is its reference; the fields of `Arguments` are the keys
    of `with`.
    """

    name: ClassVar[str]
    disturbs: ClassVar[Literal["users", "none"]]
    """`users`: needs the hypothesis to hold before it, and respects freezes and spent budgets."""
    Arguments: ClassVar[type]
    rehearses: ClassVar[Rehearsal] = Rehearsal()
    """What it counts as in coverage, controls and the table of systems. Record 1 keeps it."""
    needs: ClassVar[frozenset[str]] = frozenset({"kubernetes"})
    """What a target must have: `kubernetes`, `aws`."""
    objectives: ClassVar[frozenset[Objective]] = frozenset()
    """Which objectives it measures; a drill that declares another one is refused."""
    checks: ClassVar[frozenset[str]] = frozenset()
    """Which checks it runs, by key; a drill that declares another one is refused. `http` is a
    URL, `service` a `{service: web, path: /health}` under the key `http`.
    """
    reads_itself: ClassVar[bool] = False
    """Whether it reads what it restored by itself: without, an RTO needs a check to end it."""
    asks_instances: ClassVar[bool] = False
    """Whether its checks of a database name the instance to ask, since it restores none itself."""
    embeds: ClassVar[Mapping[str, str]] = {}
    """Arguments that name a text file beside the drill, and those that hold what stands in it
    once the drill is resolved.
    """
    outputs: ClassVar[Mapping[str, str]] = {}
    """What later steps may use as `${steps.NAME.outputs.KEY}`, by key; others are refused."""

    def prospect(self, arguments: A, act: Act) -> Prospect:
        """What it would do. Reads only; `act.book` takes no plans here. Raises CallError,
        SpecError.
        """
        raise NotImplementedError

    def offline(self, arguments: A) -> Prospect:
        """What can be told of it on this machine without a target: problems and notes. Looks at
        files only.
        """
        return Prospect()

    def warm(self, arguments: A, act: Act) -> None:
        """Get ready for `run` without touching the target or waiting. Called in the main thread,
        before the guards.

        Raises SpecError, OSError; `run` works without it, only later.
        """

    def run(self, arguments: A, act: Act) -> None:
        """Do it. Raises StepFailed, StepUnknown, Refused, DeadlineOver, CallError."""
        raise NotImplementedError

    def look_again(self, arguments: A, act: Act) -> None:
        """Look once more at what must hold, when the step has succeeded and its faults have been
        relieved. Raises what `run` raises.
        """


def _module_name(kind: str) -> str:
    return kind.replace(".", "_").replace("-", "_")


def kind_named(name: str) -> Kind[Any]:
    """The kind of that name. Raises KeyError where there is none, BrokenPlugin."""
    module = f"{__package__}.{_module_name(name)}"
    try:
        found: Kind[Any] = importlib.import_module(module).KIND
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return PLUGGED_IN.load(name)
    except AttributeError:
        raise KeyError(name) from None
    if found.name != name:
        raise KeyError(name)
    return found


def kind_names() -> list[str]:
    """Names of all kinds, sorted; one of another package may turn out to be broken."""
    return sorted({*_own_names(), *PLUGGED_IN.names()})


def _own_names() -> frozenset[str]:
    here = pkgutil.iter_modules(importlib.import_module(__package__).__path__)
    modules = (importlib.import_module(f"{__package__}.{info.name}") for info in here)
    return frozenset(module.KIND.name for module in modules if hasattr(module, "KIND"))


def _misfit(name: str, found: Any) -> str:
    if not isinstance(found, Kind):
        return f"expected a Kind, found {type(found).__name__}"
    lacking = [each for each in ("name", "disturbs", "Arguments") if not hasattr(found, each)]
    if lacking:
        return f"it does not say its {' and '.join(f'`{each}`' for each in lacking)}"
    if found.name != name:
        return f"it calls itself `{found.name}`"
    if not is_dataclass(found.Arguments):
        return "its `Arguments` are no dataclass"
    return ""


PLUGGED_IN: Registry[Kind[Any]] = Registry("drillkit.steps", "step", _misfit, _own_names)
"""Kinds of other packages."""
