"""A fleet in the bucket of its runs: everything that is known of it, for whichever machine.

    .fleets/ID/plan.json            the fleet as it was begun, before anything else
    .fleets/ID/jobs/TARGET.json     a Job that was submitted, with its undos, before it was
    .fleets/ID/outcomes/TARGET.json what came of it
    .fleets/ID/controller.json      who is at work on it
    .fleets/ID/abort.json           somebody wants it to end

Each is put once, where there is none, but for the controller's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import quote

from drillkit.clock import Clock
from drillkit.fleet.outcome import TargetOutcome
from drillkit.fleet.plan import FORMAT, FleetPlan
from drillkit.journal.claim import Claim, Claimed, claimed, is_over
from drillkit.journal.copy import RunKey
from drillkit.journal.objects import ObjectStore, StoredObject, persistent, put_new
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data, to_data
from drillkit.model.errors import CallError, Refused, UsageError
from drillkit.model.json_text import load_json

T = TypeVar("T")
FLEETS = ".fleets/"
"""Where they are. No drill is called so."""
PATIENCE_S = 20.0
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """A Job that may be there: this is written down before it is."""

    target: str
    run: str
    """Id that its run will have, so that it can begin only once."""
    job: str
    namespace: str
    at: float
    """Seconds since the epoch."""
    undos: tuple[Mapping[str, Any], ...]
    """Kind and arguments of what takes it back."""
    cluster: str = ""
    """UID of the cluster that it is submitted to; '' where an earlier version submitted it."""


@dataclass(frozen=True, slots=True)
class FleetAbort:
    """Somebody wants it to end."""

    who: str
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetClaim(Claimed):
    """Who is at work on a fleet."""

    fleet: str

    @property
    def key(self) -> str:
        return f"{FLEETS}{self.fleet}/controller.json"

    @property
    def mark(self) -> str:
        return f"{FLEETS}{self.fleet}/open"


class FleetStore:
    """One fleet. Every method raises CallError when the bucket does not answer for long."""

    def __init__(self, store: ObjectStore, clock: Clock, fleet: str) -> None:
        self._store, self._clock, self.fleet = store, clock, fleet
        self.root = f"{FLEETS}{fleet}/"

    @property
    def place(self) -> str:
        """For people."""
        return f"{self._store.place}/{self.root.rstrip('/')}"

    def begin(self, plan: FleetPlan) -> None:
        """Write the fleet down. Raises Refused when there is one of that name."""
        if self._put("plan.json", plan) is not None:
            raise Refused(f"there is a fleet {self.fleet} already")

    def plan(self) -> FleetPlan:
        """Raises UsageError where there is no such fleet, or it was written by another version."""
        stored = self._get("plan.json")
        if stored is None:
            raise UsageError(
                f"no fleet `{self.fleet}` in {self._store.place}; see: drillkit fleet status --out "
                f"{self._store.place}"
            )
        data = load_json(stored.content)
        if data.get("format") != FORMAT:
            raise UsageError(f"fleet {self.fleet} was begun by another version of drillkit")
        return self._decoded(FleetPlan, stored)

    # -- Jobs --------------------------------------------------------------------------------------

    def submit(self, job: SubmittedJob) -> SubmittedJob:
        """Write down that a Job is about to be submitted; the one that was before, if it was."""
        there = self._put(f"jobs/{_name(job.target)}", job)
        return self._decoded(SubmittedJob, there) if there is not None else job

    def submitted(self) -> dict[str, SubmittedJob]:
        """By target."""
        return {each.target: each for each in self._all("jobs/", SubmittedJob)}

    def job_of(self, target: str) -> SubmittedJob | None:
        """None: none was submitted."""
        stored = self._get(f"jobs/{_name(target)}")
        return self._decoded(SubmittedJob, stored) if stored is not None else None

    # -- what came of them -------------------------------------------------------------------------

    def settle(self, outcome: TargetOutcome) -> TargetOutcome:
        """Write down what came of a target; what another process wrote before, if one did."""
        there = self._put(f"outcomes/{_name(outcome.target)}", outcome)
        return self._decoded(TargetOutcome, there) if there is not None else outcome

    def outcomes(self) -> dict[str, TargetOutcome]:
        """By target."""
        return {each.target: each for each in self._all("outcomes/", TargetOutcome)}

    def is_noted(self, run: RunKey) -> bool | None:
        """Whether somebody is at work on a run, as far as its note says; None: it never began."""
        from drillkit.journal.claim import decoded

        stored = persistent(lambda: self._store.get(run.note), self._clock, PATIENCE_S)
        if stored is None:
            return None
        try:
            return not is_over(decoded(stored.content), stored)
        except ValueError:
            return False

    # -- who is at work ----------------------------------------------------------------------------

    def ask_abort(self, abort: FleetAbort) -> FleetAbort:
        """Have it end; what was asked before, if it was."""
        there = self._put("abort.json", abort)
        return self._decoded(FleetAbort, there) if there is not None else abort

    def abort(self) -> FleetAbort | None:
        """None: nobody asked for it."""
        stored = self._get("abort.json")
        return self._decoded(FleetAbort, stored) if stored is not None else None

    @contextmanager
    def at_work(self, lost: Callable[[str], None]) -> Iterator[None]:
        """Be the one that is at work on it, until the end of the block; `lost` is told when another
        process has taken it over. Raises Refused naming the one who is at work.
        """
        ours = FleetClaim(fleet=self.fleet)
        stored = persistent(lambda: self._store.get(ours.key), self._clock, PATIENCE_S)
        if stored is not None and (writer := self._writer(stored)):
            raise Refused(
                f"{writer} is at work on fleet {self.fleet}, or was a minute ago; it goes on by "
                "itself. If it is gone, try again in a minute"
            )
        claim = Claim(self._store, ours, self._clock)
        claim.when_lost(lost)
        claim.take(stored.etag if stored is not None else None)
        try:
            yield
        finally:
            # Who is gone is found out anyway, a minute later.
            with suppress(CallError, Refused):
                claim.release(open_=False)

    def controller(self) -> str:
        """Who is at work on it, or ''."""
        stored = self._get("controller.json")
        return self._writer(stored) if stored is not None else ""

    def _writer(self, stored: StoredObject) -> str:
        try:
            there = claimed(FleetClaim, stored.content)
        except ValueError:
            return ""
        return "" if is_over(there, stored) else there.writer

    # -- objects -----------------------------------------------------------------------------------

    def write(self, name: str, content: bytes) -> None:
        """A report, over one that is there."""
        key = self.root + name
        persistent(lambda: self._store.replace(key, content), self._clock, PATIENCE_S)

    def _get(self, name: str) -> StoredObject | None:
        return persistent(lambda: self._store.get(self.root + name), self._clock, PATIENCE_S)

    def _put(self, name: str, value: Any) -> StoredObject | None:
        """Put it where there is none; what is there, where there is."""
        key, content = self.root + name, json.dumps(to_data(value)).encode() + b"\n"
        return persistent(lambda: put_new(self._store, key, content), self._clock, PATIENCE_S)

    def _all(self, folder: str, want: type[T]) -> list[T]:
        names = [each.key.removeprefix(self.root) for each in self._listed(folder)]
        get: Callable[[str], StoredObject | None] = self._get
        with ThreadPoolExecutor(AT_ONCE) as several:
            found = list(several.map(get, names))
        return [self._decoded(want, each) for each in found if each is not None]

    def _listed(self, folder: str) -> list[Any]:
        return persistent(
            lambda: list(self._store.list(self.root + folder)), self._clock, PATIENCE_S
        )

    def _decoded(self, want: type[T], stored: StoredObject) -> T:
        try:
            found: T = from_data(want, load_json(stored.content))
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{self.place}: what is written of the fleet cannot be read: {error}"
            ) from error
        return found


def fleets_in(store: ObjectStore, clock: Clock) -> list[str]:
    """Ids of the fleets in a bucket, oldest first. Raises CallError."""
    keys = persistent(lambda: [each.key for each in store.list(FLEETS)], clock, PATIENCE_S)
    return sorted({key.removeprefix(FLEETS).partition("/")[0] for key in keys})


def _name(target: str) -> str:
    return f"{quote(target, safe='')}.json"
