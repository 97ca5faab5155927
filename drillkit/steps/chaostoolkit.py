"""`chaostoolkit`: a Chaos Toolkit experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from drillkit.clients.access import not_handed_on
from drillkit.clients.chaostoolkit.faults import has_faults, preview
from drillkit.clients.chaostoolkit.literals import needed_variables
from drillkit.clients.chaostoolkit.protocol import (
    OWN_UNDO,
    Job,
    Strategy,
    activities_of,
    is_own,
    needs_account,
    plain_data,
    provider_of,
    rollbacks_of,
)
from drillkit.clock import utc
from drillkit.journal.wire import JournalSink
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Check, Scalar
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import Act, Experiment, Kind
from drillkit.steps.disruption import DISRUPTED, begin, times_people
from drillkit.steps.experiment.document import acts, given_keys, merged, substituted, unknown_keys
from drillkit.steps.experiment.outcome import conclude, note_skipped, tell_cut
from drillkit.steps.experiment.problems import (
    dangerous,
    leads_elsewhere,
    missing_environment,
    unplayable,
)
from drillkit.steps.proof import CHECKS, measures_return, prospect_of_checks, prove

EXTENSION = ("kubernetes.client", "kubernetes.config")
"""What chaostoolkit-kubernetes imports with its first call."""
OUTPUTS = {
    **DISRUPTED,
    "status": "how Chaos Toolkit says it ended, such as `completed`",
    "hit": "how many things its actions hit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosToolkitArguments:
    experiment: str
    """Name of an experiment in `experiments/`, or path of its file."""
    configuration: Mapping[str, Scalar] = field(default_factory=dict)
    """Values for keys of the experiment's `configuration`."""
    hypothesis: Strategy | None = None
    """When its own steady-state hypothesis is looked at. Default: as the experiment says."""
    every: timedelta = timedelta(seconds=1)
    """Between two looks of a hypothesis that is looked at continuously."""
    fail_fast: bool = False
    """End the method at the first look that misses."""
    disrupted: datetime | None = None
    """When the disaster was that the experiment recovers from. Default: when its own fault
    began.
    """


class ChaosToolkit(Kind[ChaosToolkitArguments]):
    """Run a Chaos Toolkit experiment in a process of its own.

    Each activity is judged for itself. The step fails when an action fails, touches nothing, or the
    experiment's own steady state is missed afterwards; it is unknown when that was missed before
    (the method is then not run), when a fault was not in effect, or when the worker died. Its
    rollbacks are run whatever happens, once at least. Effects of `drillkit.faults` are undone one
    by one; those of other extensions only as far as the rollbacks go. `checks` are run when its
    method has ended: `http` (a URL), `command`, and those of a database (`instance:`).
    """

    name = "chaostoolkit"
    disturbs = "users"
    rehearses = Rehearsal(way="disruption")
    Arguments = ChaosToolkitArguments
    needs = frozenset()
    objectives = frozenset({"rto", "rpo", "recovery", "detect"})
    checks = CHECKS
    asks_instances = True
    outputs = OUTPUTS

    def warm(self, arguments: ChaosToolkitArguments, act: Act) -> None:
        """Start a worker that imports what this experiment needs, before anybody waits for it."""
        document = merged(act.find_experiment(arguments.experiment), arguments.configuration)
        modules = {
            str((a.get("provider") or {}).get("module") or "") for _, a in activities_of(document)
        }
        # Only those that are known to do nothing but define when they are imported.
        known = sorted(m for m in modules if m.startswith("chaosk8s.") or has_faults(m))
        if known and act.target.kubernetes is not None:
            # What they import with their first call is the slowest part of a worker's start.
            from drillkit.clients.kube.config import imports_of

            foreign = EXTENSION if any(m.startswith("chaosk8s.") for m in known) else ()
            known += [*imports_of(act.target.kubernetes), *foreign]
        act.clients.chaostoolkit.prepare(known)

    def prospect(self, arguments: ChaosToolkitArguments, act: Act) -> Prospect:
        experiment = act.find_experiment(arguments.experiment)
        problems = list(unknown_keys(experiment, arguments.configuration))
        document = merged(experiment, arguments.configuration)
        problems += [*missing_environment(document), *leads_elsewhere(document, act.target)]
        problems += dangerous(document, act)
        found = Prospect(notes=(f"experiment {experiment.path} (sha256 {experiment.sha256[:12]})",))
        for place, activity in activities_of(document):
            problems += unplayable(activity, experiment.path.parent)
            if place == "method" and activity.get("type") == "action":
                found += _preview(activity, document, act)
        if rollbacks := rollbacks_of(document):
            names = ", ".join(str(a.get("name")) for a in rollbacks)
            found += Prospect(effects=(f"plays the experiment's rollbacks afterwards: {names}",))
        if needs_account(document):
            found += Prospect(notes=not_handed_on(needed_variables(document)))
        found += prospect_of_checks(act)
        return found + Prospect(problems=tuple(dict.fromkeys(problems)))

    def run(self, arguments: ChaosToolkitArguments, act: Act) -> None:
        experiment = act.find_experiment(arguments.experiment)
        if unknown := [*unknown_keys(experiment, arguments.configuration)]:
            raise StepFailed("; ".join(unknown))
        document = merged(experiment, arguments.configuration)
        if wrong := [*leads_elsewhere(document, act.target), *dangerous(document, act)]:
            raise Refused("; ".join(wrong))
        job = self._job(arguments, act, document, experiment)
        log = Path(job.log)
        disrupted = _disrupted(arguments, document, act)
        if not isinstance(act.book, JournalSink):
            raise TypeError(
                f"expected the run's journal to write to, found {type(act.book).__name__}"
            )
        ended = act.clients.chaostoolkit.run(
            job, act.book, by=f"worker:{act.name}", deadline=act.deadline, cut=act.cut
        )
        if log.is_file():
            act.attach(log.name, "text/plain", log.read_bytes())
        note_skipped(document, ended.activities, act)
        act.outputs["status"] = ended.status or ended.outcome
        act.outputs["hit"] = sum(a.hit or 0 for a in ended.activities if a.place == "method")
        act.fence.check()
        if ended.outcome == "cut":
            tell_cut(f"experiment {experiment.name} was {ended.why}", ended.activities)
        if ended.outcome == "died":
            raise StepUnknown(
                f"{ended.why}; what it did is in the journal, what it was about to do is not known"
            )
        conclude(experiment.name, ended.status, ended.why, ended.activities)
        prove(act, f"what experiment {experiment.name} left", disrupted)
        if not acts(document):
            why = f"experiment {experiment.name} does nothing, so nothing was tested"
            act.observe(
                Check("actions of its method that do anything", "prerequisite", 1, ">=", 0, why)
            )

    def _job(
        self,
        arguments: ChaosToolkitArguments,
        act: Act,
        document: Mapping[str, Any],
        experiment: Experiment,
    ) -> Job:
        return Job(
            work="experiment",
            experiment=document,
            name=experiment.name,
            origin=str(experiment.path.resolve()),
            sha256=experiment.sha256,
            given=tuple(given_keys(experiment, arguments.configuration)),
            run=act.run.id,
            step=act.name,
            target=plain_data(act.target),
            expected=plain_data(act.clients.expected),
            limit_s=act.deadline.left(),
            log=str(act.folder / "attachments" / f"chaostoolkit-{act.name}.log"),
            strategy=arguments.hypothesis,
            frequency_s=arguments.every.total_seconds(),
            fail_fast=arguments.fail_fast,
        )

    def look_again(self, arguments: ChaosToolkitArguments, act: Act) -> None:
        """Look at the steady state once more when the experiment's rollbacks have run: what is
        there to mend can break, too. Raises StepFailed when it does not hold, StepUnknown when
        nobody could look.
        """
        experiment = act.find_experiment(arguments.experiment)
        document = merged(experiment, arguments.configuration)
        probes = [a for place, a in activities_of(document) if place == "hypothesis"]
        if not probes or not rollbacks_of(document) or not isinstance(act.book, JournalSink):
            return
        job = replace(self._job(arguments, act, document, experiment), work="hypothesis", log="")
        ended = act.clients.chaostoolkit.run(
            job, act.book, by=f"worker:{act.name}", deadline=act.deadline, cut=act.cut
        )
        if missed := [a.name for a in ended.activities if a.tolerated is False]:
            raise StepFailed(
                "the experiment's own steady state was missed after its rollbacks: "
                f"{', '.join(dict.fromkeys(missed))}"
            )
        unread = [f"{a.name}: {a.error}" for a in ended.activities if a.outcome != "succeeded"]
        if unread or ended.status != "completed":
            raise StepUnknown(
                "the steady state could not be looked at after the rollbacks: "
                f"{'; '.join(unread) or ended.why or ended.outcome}"
            )


def _preview(activity: Mapping[str, Any], document: Mapping[str, Any], act: Act) -> Prospect:
    name = str(activity.get("name"))
    if not is_own(activity):
        why = (
            f"action `{name}` ({provider_of(activity)}): undo not guaranteed, only the "
            "experiment's rollbacks run"
        )
        refused = (
            (f"{why}; target `{act.target.name}` is protected",) if act.target.protected else ()
        )
        return Prospect(effects=(why,), problems=refused, programs=(provider_of(activity),))
    provider = activity["provider"]
    if provider["module"] == OWN_UNDO:
        return Prospect()
    try:
        arguments = substituted(
            provider.get("arguments") or {}, document.get("configuration") or {}
        )
        found = preview(provider["module"], provider["func"], act.clients, arguments)
    except (ImportError, DrillError, TypeError, ValueError) as error:
        return Prospect(problems=(f"action `{name}`: {error}",))
    if found is None:
        why = f"`{provider['func']}` has no preview, so that it is no fault"
        return Prospect(problems=(f"action `{name}`: {why}; decorate it with `fault`",))
    return found


def _disrupted(arguments: ChaosToolkitArguments, document: Mapping[str, Any], act: Act) -> datetime:
    """When the disaster was. Our own faults mark their own begin; for others it is the step's."""
    if arguments.disrupted is not None:
        return begin(act, arguments.disrupted)
    now = utc(act.clock.now())
    act.outputs["disrupted"] = now.isoformat()
    own = any(place == "method" and is_own(a) for place, a in activities_of(document))
    if not own and (measures_return(act) or times_people(act.objectives)):
        act.mark("disrupted")
    return now


KIND = ChaosToolkit()
