"""`chaostoolkit`: a Chaos Toolkit experiment."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NoReturn

from drillkit.clients.access import not_handed_on
from drillkit.clients.chaostoolkit.dangerous import danger
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
    process_words,
    provider_of,
    rollbacks_of,
)
from drillkit.clients.chaostoolkit.validity import python_problem, tolerance_problem
from drillkit.clients.elsewhere import elsewhere, flags_elsewhere
from drillkit.clock import utc
from drillkit.journal.wire import JournalSink
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Activity, Check, Scalar
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.spelling import near
from drillkit.model.target import Target
from drillkit.steps.base import Act, Experiment, Kind
from drillkit.steps.disruption import DISRUPTED, begin, times_people
from drillkit.steps.proof import CHECKS, measures_return, prospect_of_checks, prove

EXTENSION = ("kubernetes.client", "kubernetes.config")
"""What chaostoolkit-kubernetes imports with its first call."""
OUTPUTS = {
    **DISRUPTED,
    "status": "how Chaos Toolkit says it ended, such as `completed`",
    "hit": "how many things its actions hit",
}
_REFERENCE = re.compile(r"\$\{([^}]+)\}")


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
        problems = list(_unknown_keys(experiment, arguments.configuration))
        document = merged(experiment, arguments.configuration)
        problems += [*_missing_environment(document), *_elsewhere(document, act.target)]
        problems += _dangerous(document, act)
        found = Prospect(notes=(f"experiment {experiment.path} (sha256 {experiment.sha256[:12]})",))
        for place, activity in activities_of(document):
            problems += _unplayable(activity, experiment.path.parent)
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
        if unknown := [*_unknown_keys(experiment, arguments.configuration)]:
            raise StepFailed("; ".join(unknown))
        document = merged(experiment, arguments.configuration)
        if wrong := [*_elsewhere(document, act.target), *_dangerous(document, act)]:
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
        _skipped(document, ended.activities, act)
        act.outputs["status"] = ended.status or ended.outcome
        act.outputs["hit"] = sum(a.hit or 0 for a in ended.activities if a.place == "method")
        act.fence.check()
        if ended.outcome == "cut":
            _tell_cut(f"experiment {experiment.name} was {ended.why}", ended.activities)
        if ended.outcome == "died":
            raise StepUnknown(
                f"{ended.why}; what it did is in the journal, what it was about to do is not known"
            )
        _conclude(experiment.name, ended.status, ended.why, ended.activities)
        prove(act, f"what experiment {experiment.name} left", disrupted)
        if not _acts(document):
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
            given=tuple(_given(experiment, arguments.configuration)),
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


# -- the experiment --------------------------------------------------------------------------------


def merged(experiment: Experiment, configuration: Mapping[str, Scalar]) -> dict[str, Any]:
    """The experiment's document with the step's values in its configuration."""
    document = dict(experiment.data)
    if configuration:
        document["configuration"] = {**(document.get("configuration") or {}), **configuration}
    return document


def _given(experiment: Experiment, configuration: Mapping[str, Scalar]) -> Iterator[str]:
    """Keys whose values are not those of the experiment's own file."""
    own = experiment.data.get("configuration") or {}
    return (key for key, value in configuration.items() if own.get(key) != value)


def _unknown_keys(experiment: Experiment, configuration: Mapping[str, Scalar]) -> Iterator[str]:
    known = list(experiment.data.get("configuration") or {})
    for key in configuration:
        if key not in known:
            meant = near(key, known)
            hint = f"did you mean `{meant}`?" if meant else f"it has {', '.join(known) or 'none'}"
            yield f"experiment {experiment.name} has no configuration `{key}`; {hint}"


def _missing_environment(document: Mapping[str, Any]) -> Iterator[str]:
    for part in ("configuration", "secrets"):
        for path, reference in _environment_references(document.get(part) or {}, part):
            if reference.get("key") not in os.environ and "default" not in reference:
                yield (
                    f"{path}: expected the environment variable {reference.get('key')}, it is "
                    "not set"
                )


def _elsewhere(document: Mapping[str, Any], target: Target) -> Iterator[str]:
    """What would lead an activity to another cluster or account than the target's."""
    for part in ("configuration", "secrets"):
        yield from elsewhere(f"experiment's {part}", document.get(part), target)
    for _, activity in activities_of(document):
        provider = activity.get("provider") or {}
        where = f"activity `{activity.get('name')}`"
        yield from elsewhere(f"{where}: arguments", provider.get("arguments"), target)
        if provider.get("type") == "process":
            yield from flags_elsewhere(where, process_words(provider), target)


def _dangerous(document: Mapping[str, Any], act: Act) -> Iterator[str]:
    """Calls that do more than they seem to. `--allow-unsafe` lets them pass, nowhere that is
    protected.
    """
    if act.allow_unsafe and not act.target.protected:
        return
    undone = frozenset(
        str((each.get("provider") or {}).get("func")) for each in rollbacks_of(document)
    )
    configuration = document.get("configuration") or {}
    for _, activity in activities_of(document):
        provider = dict(activity.get("provider") or {})
        if isinstance(given := provider.get("arguments"), Mapping):
            provider["arguments"] = _substituted(given, configuration)
        if why := danger(provider, undone):
            way = "" if act.target.protected else " (or --allow-unsafe)"
            yield f"activity `{activity.get('name')}`: {why}{way}"


def _environment_references(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        if value.get("type") == "env":
            yield path, value
        elif value.get("type") != "probe":
            for key, inner in value.items():
                yield from _environment_references(inner, f"{path}.{key}")


def _unplayable(activity: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Why an activity cannot run here, as far as can be told without importing it. `folder`: that
    of the experiment.
    """
    provider, name = activity.get("provider") or {}, activity.get("name")
    if provider.get("type") == "python" and (problem := python_problem(provider, folder)):
        yield f"activity `{name}`: {problem}"
    if "tolerance" in activity:
        tolerance = activity["tolerance"]
        if problem := tolerance_problem(tolerance):
            yield f"activity `{name}`: tolerance: {problem}"
        elif isinstance(tolerance, Mapping) and isinstance(tolerance.get("provider"), Mapping):
            yield from _unplayable({"name": name, "provider": tolerance["provider"]}, folder)
    if provider.get("type") == "process" and "${" not in (path := str(provider.get("path"))):
        program = os.path.expanduser(path)
        if shutil.which(program) is None:
            yield f"activity `{name}`: `{path}` is not on the PATH"


# -- what it would do ------------------------------------------------------------------------------


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
        arguments = _substituted(
            provider.get("arguments") or {}, document.get("configuration") or {}
        )
        found = preview(provider["module"], provider["func"], act.clients, arguments)
    except (ImportError, DrillError, TypeError, ValueError) as error:
        return Prospect(problems=(f"action `{name}`: {error}",))
    if found is None:
        why = f"`{provider['func']}` has no preview, so that it is no fault"
        return Prospect(problems=(f"action `{name}`: {why}; decorate it with `fault`",))
    return found


def _substituted(value: Any, configuration: Mapping[str, Any]) -> Any:
    """Chaos Toolkit's own substitution, for plain values: a lone reference keeps its type."""
    if isinstance(value, Mapping):
        return {k: _substituted(v, configuration) for k, v in value.items()}
    if isinstance(value, list):
        return [_substituted(v, configuration) for v in value]
    if not isinstance(value, str):
        return value
    if (lone := _REFERENCE.fullmatch(value)) and lone[1] in configuration:
        return _plain(configuration[lone[1]])
    return _REFERENCE.sub(
        lambda found: (
            str(_plain(configuration[found[1]])) if found[1] in configuration else found[0]
        ),
        value,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("type") == "env":
        return os.environ.get(str(value.get("key")), value.get("default"))
    return value


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


# -- what came of it -------------------------------------------------------------------------------


def _skipped(document: Mapping[str, Any], seen: tuple[Activity, ...], act: Act) -> None:
    """Write down the activities of the method that were never reached."""
    reached = Counter(a.name for a in seen if a.place == "method")
    for place, activity in activities_of(document):
        name = str(activity.get("name"))
        if place != "method":
            continue
        if reached[name]:
            reached[name] -= 1
            continue
        kind: Literal["action", "probe"] = "action" if activity.get("type") == "action" else "probe"
        act.observe(
            Activity(
                name, "method", kind, "skipped", None, None, 0.0, undo_guaranteed=is_own(activity)
            )
        )


def _tell_cut(why: str, activities: tuple[Activity, ...]) -> NoReturn:
    """Raises StepFailed naming what did not end; StepUnknown where nothing had begun, or nothing
    was going on but a pause, which shows no weakness of anything.
    """
    if cut := [a.name for a in activities if a.outcome == "cut"]:
        raise StepFailed(f"{why}: {', '.join(cut)} did not end")
    if not activities:
        raise StepUnknown(f"{why} before anything of it began")
    raise StepUnknown(f"{why} while it paused: what was to come after is not known")


def _acts(document: Mapping[str, Any]) -> bool:
    """Whether any action of the method may do something: a program such as `sleep` does not."""
    return any(
        place == "method" and activity.get("type") == "action" and not _is_idle(activity, document)
        for place, activity in activities_of(document)
    )


_SAFE = ("GET", "HEAD", "OPTIONS")
"""Requests that ask for an answer and nothing else (RFC 9110 section 9.2.1)."""
_WAITS = (("time", "sleep"), ("asyncio", "sleep"), ("builtins", "print"))


def _is_idle(activity: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    provider = _substituted(activity.get("provider") or {}, document.get("configuration") or {})
    match provider.get("type"):
        case "process":
            from drillkit.clients.programs import does_nothing

            return does_nothing(process_words(provider))
        case "http":
            return str(provider.get("method") or "GET").upper() in _SAFE
        case "python":
            module, func = str(provider.get("module") or ""), provider.get("func")
            # Extensions keep what only looks in modules of that name.
            looks = "probes" in module.split(".")
            return looks or module == OWN_UNDO or (module, func) in _WAITS
    return False


def _conclude(name: str, status: str, why: str, activities: tuple[Activity, ...]) -> None:
    """Raises what is wrong, the worst first."""
    if status == "invalid":
        raise StepUnknown(
            f"Chaos Toolkit does not take experiment {name}, nothing was touched: {why}"
        )
    if status == "stopped":
        raise Refused(why)
    of = {
        place: [a for a in activities if a.place == place]
        for place in ("before", "method", "during", "after")
    }
    unproven = [a for a in of["method"] if a.outcome == "unproven"]
    if unproven:
        raise StepUnknown("; ".join(f"{a.name}: {a.error}" for a in unproven))
    missed = [a.name for a in (*of["during"], *of["after"]) if a.tolerated is False]
    if missed:
        raise StepFailed(
            f"the experiment's own steady state was missed: {', '.join(dict.fromkeys(missed))}"
        )
    failed = [a for a in of["method"] if a.kind == "action" and a.outcome != "succeeded"]
    if failed:
        raise StepFailed("; ".join(f"action {a.name} {a.outcome}: {a.error}" for a in failed))
    idle = [
        a.name
        for a in of["method"]
        if a.kind == "action" and a.hit == 0 and a.outcome == "succeeded"
    ]
    if idle:
        raise StepFailed(f"touched nothing, so nothing was tested: {', '.join(idle)}")
    if early := [a for a in of["before"] if a.tolerated is False or a.outcome != "succeeded"]:
        found = "; ".join(f"{a.name} {a.error or 'is outside its tolerance'}" for a in early)
        raise StepUnknown(
            f"the experiment's steady state did not hold before, so its method was not run: {found}"
        )
    unread = [a for a in activities if a.outcome != "succeeded" and a.place != "rollback"]
    if unread:
        raise StepUnknown("; ".join(f"{a.name}: {a.error or a.outcome}" for a in unread))
    if status not in ("completed", "deviated"):
        raise StepUnknown(f"the experiment ended `{status}`{f': {why}' if why else ''}")


KIND = ChaosToolkit()
