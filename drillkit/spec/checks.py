"""What the fields of a drill must agree on, beyond their types.

Each check yields `(path, what)`; the place is looked up in the tree afterwards. Values that still
hold references are left to the second stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drillkit.model.drill import (
    ROLES,
    Announce,
    Bounds,
    Drill,
    Gameday,
    Gate,
    GateSet,
    Group,
    Guards,
    Hold,
    Hypothesis,
    Probe,
    StartWindow,
    Step,
    StepCheck,
)
from drillkit.model.errors import SpecError, UsageError
from drillkit.model.units import format_duration
from drillkit.spec.arguments import bind_arguments, steps_in
from drillkit.spec.binder import Unresolved, known
from drillkit.spec.document import Mistakes, Trail, Where, lookup, maybe, nearest, of_data, quoted
from drillkit.spec.guards import check_guards
from drillkit.spec.interpolation import references
from drillkit.spec.kind_support import check_served, unmeasured_by
from drillkit.spec.literal_secrets import literal_secrets
from drillkit.spec.mentions import expected_alerts
from drillkit.spec.sli_names import Complaint, SliNames

if TYPE_CHECKING:
    from drillkit.spec.source import Written


MAX_RATE_PER_S = 5000.0
SERVICE = ("service", "path", "port", "namespace")
"""Keys of an `http` check that asks a service."""
RESERVED = ("slo", "within", "gates")
_A_PROBE = Probe(http="")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def check(drill: Drill, parsed: Written, mistakes: Mistakes) -> None:
    """Note everything that is wrong with a bound drill."""
    names = SliNames(drill, parsed.source.roots)
    complaints = [
        *_head(drill),
        *_limits(drill),
        *_probes(drill),
        *_hypothesis(drill.hypothesis, ("hypothesis",), names, drill),
        *check_guards(drill.guards, names, parsed.source.folder),
        *_steps(drill, names),
        *_outputs(drill),
        *_people(drill),
        *check_served(drill, parsed),
        *_experiments(drill, parsed),
        *_notify(drill),
        *_announced(drill),
        *literal_secrets(drill, made=parsed.source.tree is not None),
    ]
    for path, what in (*complaints, *names.complaints):
        mistakes.add(lookup(parsed.tree, path), path, what)


def _notify(drill: Drill) -> Iterator[Complaint]:
    if drill.notify:
        from drillkit.spec.notify import complaints  # few drills have any

        yield from complaints(drill.notify)


def _announced(drill: Drill) -> Iterator[Complaint]:
    if not isinstance(drill.announce, Announce) or not drill.announce.silence:
        return
    from drillkit.clients.prometheus.promql import alert_named, named_alert

    wanted = expected_alerts(drill) if isinstance(drill.guards, Guards) else ()
    for i, text in enumerate(drill.announce.silence):
        if isinstance(text, Unresolved):
            continue
        try:
            name = alert_named(named_alert(text))
        except ValueError as error:
            yield ("announce", "silence", i), f"{error}, found {quoted(text)}"
            continue
        if name in wanted:
            yield (
                ("announce", "silence", i),
                f"{quoted(name)} is expected to fire: whoever is to see it must not be kept "
                "from it",
            )


def positive(value: Any, path: Trail) -> Iterator[Complaint]:
    """A complaint when a duration is zero."""
    if isinstance(value, timedelta) and value <= timedelta():
        yield path, "expected a duration above zero, found 0s"


def _named(name: str, path: Trail, what: str) -> Iterator[Complaint]:
    if not isinstance(name, Unresolved) and not _NAME.fullmatch(name):
        yield (
            path,
            f"expected a name of {what} of letters, digits, `-` and `_` (at most 63), "
            f"found {quoted(name)}",
        )


def _head(drill: Drill) -> Iterator[Complaint]:
    if not isinstance(drill.drill, Unresolved) and not re.fullmatch(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", drill.drill
    ):
        yield (
            ("drill",),
            "expected lower-case letters, digits and dashes (at most 63), found "
            f"{quoted(drill.drill)}",
        )
    if drill.window is not None:
        yield from _window(drill.window, ("window",))
    if not drill.steps:
        yield ("steps",), "expected at least one step"


def _are_hours(from_hour: str, from_minute: str, to_hour: str, to_minute: str) -> bool:
    """Whether they are two times of a day that are not the same."""
    times = [(int(from_hour), int(from_minute)), (int(to_hour), int(to_minute))]
    real = all(minute <= 59 and (hour, minute) <= (24, 0) for hour, minute in times)
    return real and times[0] != times[1]


def _window(window: StartWindow, path: Trail) -> Iterator[Complaint]:
    if isinstance(window, Unresolved):
        return
    found = re.fullmatch(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", window.hours)
    if not isinstance(window.hours, Unresolved) and not (found and _are_hours(*found.groups())):
        yield (*path, "hours"), f"expected hours such as 02:00-05:00, found {quoted(window.hours)}"
    if isinstance(window.timezone, Unresolved):
        return
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(window.timezone)
    except (KeyError, ValueError, OSError):
        yield (
            (*path, "timezone"),
            f"expected an IANA time zone, such as Europe/Berlin, found {quoted(window.timezone)}"
            f"{maybe(window.timezone, available_timezones())}",
        )


def _limits(drill: Drill) -> Iterator[Complaint]:
    for key in ("limit", "cleanup_limit", "settle"):
        yield from positive(getattr(drill, key), (key,))
    for path, item in steps_in(drill):
        yield from positive(item.limit, (*path, "limit"))
        if (
            isinstance(item.limit, timedelta)
            and isinstance(drill.limit, timedelta)
            and item.limit > drill.limit
        ):
            whole = format_duration(drill.limit)
            yield (
                (*path, "limit"),
                f"expected at most the drill's own limit ({whole}); raise `limit` of the drill",
            )


def _probes(drill: Drill) -> Iterator[Complaint]:
    for name, probe in drill.probes.items():
        path = ("probes", name)
        yield from _named(name, path, "a probe")
        if name in RESERVED:
            yield path, f"`{name}` has a meaning of its own in a hypothesis; choose another name"
        if isinstance(probe, Probe):
            yield from _probe(probe, path)


def _probe(probe: Probe, path: Trail) -> Iterator[Complaint]:
    if known(probe.http) and not re.match(r"https?://[^/]", probe.http):
        yield (
            (*path, "http"),
            f"expected a URL such as http://host/health, found {quoted(probe.http)}",
        )
    if known(probe.tcp):
        host, _, port = probe.tcp.rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            yield (*path, "tcp"), f"expected host:port, found {quoted(probe.tcp)}"
    if known(probe.rate) and probe.rate.per_s > MAX_RATE_PER_S:
        yield (*path, "rate"), f"expected at most {MAX_RATE_PER_S:g}/s, found {probe.rate}"
    yield from positive(probe.timeout, (*path, "timeout"))
    yield from positive(probe.slow, (*path, "slow"))
    if (
        isinstance(probe.slow, timedelta)
        and isinstance(probe.timeout, timedelta)
        and probe.slow > probe.timeout
    ):
        yield (
            (*path, "slow"),
            "expected at most `timeout`: an answer later than that is a failure already",
        )
    if known(probe.expect) and not re.fullmatch(
        r"[1-5](\d\d|xx)(\s*,\s*[1-5](\d\d|xx))*", str(probe.expect)
    ):
        yield (
            (*path, "expect"),
            f"expected a status such as 200, 2xx or `2xx,3xx`, found {quoted(str(probe.expect))}",
        )
    accepted = {part.strip() for part in str(probe.expect).split(",")}
    if (
        probe.body is None
        and "5xx" in accepted
        and any(each[0] == "2" for each in accepted if each)
    ):
        yield (
            (*path, "expect"),
            "takes success and every server error alike, so that no answer is bad: leave out "
            "`5xx`, or say what the `body` must hold",
        )
    yield from _headers(probe.headers, (*path, "headers"))
    if probe.tcp is not None:
        for key in ("expect", "body", "headers", "fresh", "ca_file"):
            if getattr(probe, key) != getattr(_A_PROBE, key):
                yield (*path, key), f"`{key}` goes with `http`, not with `tcp`; leave it out"


def _headers(headers: Mapping[str, str], path: Trail) -> Iterator[Complaint]:
    """RFC 9110, section 5.1: a name is a token."""
    for name in headers:
        if not _TOKEN.fullmatch(name):
            yield (*path, name), f"expected the name of a header, found {quoted(name)}"


def _hypothesis(
    hypothesis: Hypothesis, path: Trail, names: SliNames, drill: Drill
) -> Iterator[Complaint]:
    if isinstance(hypothesis, Unresolved):
        return
    for phase in ("before", "after"):
        gates = getattr(hypothesis, phase)
        if not isinstance(gates, Unresolved):
            yield from _gates(gates, (*path, phase), names, drill)
    for name, bounds in hypothesis.during.items():
        where = (*path, "during", name)
        yield from names.unknown(name, where)
        if isinstance(bounds, Unresolved):
            continue
        if bounds == Bounds():
            yield where, "expected at least one bound, such as `bad: 20` or `longest_gap: 5s`"
        if bounds.budget is not None and name in names.probes:
            yield (
                (*where, "budget"),
                f"`{name}` is a probe and has no error budget; give it an SLO, or bound `bad`",
            )


def _gates(gates: GateSet, path: Trail, names: SliNames, drill: Drill) -> Iterator[Complaint]:
    yield from positive(gates.within, (*path, "within"))
    for i, name in enumerate(gates.slo):
        yield from names.no_slo(name, (*path, "slo", i))
    for name, gate in gates.gates.items():
        where = (*path, name)
        yield from names.unknown(name, where)
        if isinstance(gate, Gate):
            yield from _gate(gate, name, where, gates.within or drill.settle, names)


def _gate(
    gate: Gate, name: str, path: Trail, within: timedelta, names: SliNames
) -> Iterator[Complaint]:
    yield from positive(gate.within, (*path, "within"))
    probe = names.probes.get(name)
    if gate.bad is None and (probe is not None or gate.confidence is None):
        yield path, "expected a declared count, such as `bad: 2 of 200`"
    if known(gate.confidence) and not 0.5 <= gate.confidence.of_one < 1:
        yield (
            (*path, "confidence"),
            f"expected 50% or more and less than 100%, found {gate.confidence}",
        )
    limit = gate.within or within
    if isinstance(probe, Probe) and known(probe.rate) and known(gate.bad) and known(limit):
        needed = timedelta(seconds=gate.bad.total / probe.rate.per_s)
        if needed > limit:
            found = f"{gate.bad.total} probes at {probe.rate} take {format_duration(needed)}"
            yield (
                path,
                f"{found}, longer than the {format_duration(limit)} allowed; raise `within` or "
                "lower the count",
            )


def _steps(drill: Drill, names: SliNames) -> Iterator[Complaint]:
    seen: dict[str, Trail] = {}
    for path, item in steps_in(drill):
        yield from _named(item.name, (*path, "name"), "a step")
        if item.name in seen:
            yield (*path, "name"), f"`{item.name}` is the name of {_place(seen[item.name])} already"
        seen.setdefault(item.name, path)
        if isinstance(item, Group):
            if not item.parallel:
                yield (*path, "parallel"), "expected at least one step"
            continue
        if item.hypothesis is not None:
            yield from _hypothesis(item.hypothesis, (*path, "hypothesis"), names, drill)
        for i, wanted in enumerate(item.checks):
            yield from _check(wanted, (*path, "checks", i))
        if not isinstance(item.objectives, Unresolved):
            for key in ("rto", "rpo", "recovery", "acknowledge", "mitigate"):
                yield from positive(getattr(item.objectives, key), (*path, "objectives", key))


def _people(drill: Drill) -> Iterator[Complaint]:
    """Holds stand between steps, not inside a group; a session has people in known roles."""
    for path, item in steps_in(drill):
        if "parallel" in path:
            for key in ("hold", "secret"):
                if getattr(item, key) not in (None, False):
                    yield (
                        (*path, key),
                        f"`{key}` goes with the whole group: its steps begin together",
                    )
        elif isinstance(item.hold, Hold):
            yield from positive(item.hold.for_, (*path, "hold", "for"))
    if not isinstance(drill.gameday, Gameday):
        return
    yield from positive(drill.gameday.limit, ("gameday", "limit"))
    for role in drill.gameday.roles:
        if role not in ROLES:
            yield (
                ("gameday", "roles", role),
                f"expected one of {', '.join(ROLES)}, found {quoted(role)}{nearest(role, ROLES)}",
            )


def _place(path: Trail) -> str:
    return "step " + ".".join(str(part + 1) for part in path if isinstance(part, int))


def _check(wanted: StepCheck, path: Trail) -> Iterator[Complaint]:
    if isinstance(wanted, Unresolved):
        return
    keys, subjects = wanted.SUBJECTS, wanted.subjects
    if len(subjects) != 1:
        found = " and ".join(f"`{s}`" for s in subjects) or "none"
        known_keys = ", ".join(f"`{key}`" for key in keys[:-1])
        yield path, f"expected exactly one of {known_keys} and `{keys[-1]}`, found {found}"
    elif subjects[0] in ("rows", "newest", "checksum") and wanted.table is None:
        yield (*path, subjects[0]), "expected `table:` beside it"
    else:
        yield from _options(wanted, subjects[0], path)
        yield from _asked(wanted, subjects[0], path)
        yield from _plugged_in(wanted, path)
    if known(wanted.keys) and not re.fullmatch(r"-?\d+\.\.-?\d+", wanted.keys):
        yield (*path, "keys"), f"expected a range such as 1..5000, found {quoted(wanted.keys)}"
    if known(wanted.expect) and not re.match(r"(==|!=|>=|<=|>|<)\s*\S|matches\s+\S", wanted.expect):
        yield (
            (*path, "expect"),
            f"expected such as `> 0`, `== 42` or `matches ^ok`, found {quoted(wanted.expect)}",
        )
    yield from positive(wanted.within, (*path, "within"))


def _options(wanted: StepCheck, subject: str, path: Trail) -> Iterator[Complaint]:
    """Keys that such a check does not read."""
    for field in fields(StepCheck):
        key = field.name.rstrip("_")
        if subject in StepCheck.OPTIONS.get(key, (subject,)):
            continue
        if getattr(wanted, field.name) not in (field.default, {}):
            others = ", ".join(f"`{each}`" for each in StepCheck.OPTIONS[key])
            yield (*path, key), f"`{key}` goes with {others}, not with `{subject}`; leave it out"


def _asked(wanted: StepCheck, subject: str, path: Trail) -> Iterator[Complaint]:
    """What a check is about: a URL, a service, a program, or a name."""
    asked, where = getattr(wanted, subject), (*path, subject)
    if isinstance(asked, str) and not asked and known(asked):
        yield where, "expected text, found ''"
    elif isinstance(asked, tuple) and (not asked or asked[0] == ""):
        yield where, "expected a program and its arguments, found none"
    elif subject == "http" and isinstance(asked, Mapping):
        unknown = [key for key in asked if key not in SERVICE]
        for key in unknown:
            yield (*where, key), f"unknown key {quoted(key)}{nearest(key, SERVICE)}"
        if not unknown and not asked.get("service"):
            yield where, "expected `service:`, with `path` and `port` where they are others than /"
    elif subject == "http" and known(asked) and not re.match(r"https?://[^/]", asked):
        yield where, f"expected a URL such as http://host/health, found {quoted(asked)}"


def _plugged_in(wanted: StepCheck, path: Trail) -> Iterator[Complaint]:
    """What a check of another package says of its arguments."""
    if wanted.uses is None or not known(wanted.uses):
        return
    from drillkit.checks.kinds import plugged_in

    try:
        kind = plugged_in(wanted.uses)
    except UsageError as error:
        yield (*path, "uses"), str(error)
        return
    if kind.Arguments is None:
        if wanted.with_:
            yield (*path, "with"), f"a check `{wanted.uses}` has no arguments; leave it out"
        return
    try:
        bind_arguments(kind.Arguments, wanted.with_, f"check `{wanted.uses}`", {})
    except SpecError as error:
        yield (*path, "with"), str(error)


def _outputs(drill: Drill) -> Iterator[Complaint]:
    """References to outputs name a step that has ended before."""
    order = {step.name: path[1] for path, step in steps_in(drill)}
    for path, step in steps_in(drill):
        if not isinstance(step, Step):
            continue
        tree = of_data(step.with_, Where(step.name))
        for ref, _, inner in references(tree, (*path, "with")):
            if not ref.name.startswith("steps."):
                continue
            name = ref.name.split(".")[1]
            if name not in order:
                yield inner, f"`{ref}`: no step is called `{name}`{nearest(name, order)}"
            elif not _before(order[name], path[1]):
                yield (
                    inner,
                    f"`{ref}`: step `{name}` has not ended by then; only outputs of earlier steps "
                    "can be used",
                )


def _before(one: str | int, other: str | int) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one < other


def _experiments(drill: Drill, parsed: Written) -> Iterator[Complaint]:
    """Experiments exist, are sound, and have the configuration that a step gives them."""
    from drillkit.spec.experiments import check_experiment, configuration, read_experiment
    from drillkit.spec.files import find_experiment

    for path, item in steps_in(drill):
        name = (
            item.with_.get("experiment")
            if isinstance(item, Step) and item.uses == "chaostoolkit"
            else None
        )
        if not isinstance(item, Step) or not isinstance(name, str) or "${" in name:
            continue
        where = (*path, "with", "experiment")
        try:
            experiment = read_experiment(
                find_experiment(name, parsed.source.roots, parsed.source.folder)
            )
        except (UsageError, SpecError) as error:
            yield where, str(error)
            continue
        yield from ((where, str(mistake)) for mistake in check_experiment(experiment).mistakes)
        if isinstance(item.objectives, Unresolved):
            continue
        if why := unmeasured_by(experiment, item.objectives):
            yield (*path, "objectives", "recovery"), why
        declared = configuration(experiment.data)
        given = item.with_.get("configuration")
        for key in given if isinstance(given, Mapping) else ():
            if key not in declared:
                what = (
                    f"experiment `{experiment.name}` has no configuration "
                    f"{quoted(key)}{nearest(key, declared)}"
                )
                yield (*path, "with", "configuration", key), what
