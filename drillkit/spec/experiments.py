"""Chaos Toolkit experiments as data. Nothing of Chaos Toolkit is imported.

Their YAML is read by PyYAML's own rules (YAML 1.1), because `chaos run` reads it so and both must
see the same.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from drillkit.clients.chaostoolkit.validity import (
    decides_nothing,
    python_problem,
    tolerance_problem,
)
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Mistake, SpecError
from drillkit.model.spelling import near
from drillkit.spec.document import (
    MAX_DEPTH,
    Map,
    Mistakes,
    Trail,
    Where,
    lookup,
    nearest,
    only,
    quoted,
    read_all,
    read_bytes,
    read_one,
)
from drillkit.spec.files import FoundFile, find_experiment
from drillkit.spec.foreign import refuse_stranger
from drillkit.spec.project import shown
from drillkit.spec.roots import Roots

if TYPE_CHECKING:
    from drillkit.spec.source import Written
    from drillkit.steps.base import Experiment

Place: TypeAlias = Literal["hypothesis", "method", "rollback"]
Complaint: TypeAlias = tuple[Trail, str]


@dataclass(frozen=True, slots=True)
class Outline:
    """One activity of an experiment, as written."""

    name: str
    place: Place
    type: str
    """`action` or `probe`."""
    provider: str
    """`python`, `process` or `http`."""
    what: str
    """`module.function`, path of a program, or URL."""
    module: str = ""
    func: str = ""
    arguments: Any = None
    background: bool = False
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExperimentReview:
    """What looking at an experiment's file tells."""

    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    """What may keep it from working on this machine."""


def read_experiment(found: FoundFile) -> Experiment:
    """The experiment in a file, by its digest. Raises SpecError when it is no YAML or
    JSON mapping.
    """
    from drillkit.steps.base import Experiment

    raw = read_bytes(found.path)
    source = shown(found.path)
    # Whoever is handed one may change it, and nobody else's.
    data = copy.deepcopy(_parsed(source, raw, found.path.suffix == ".json"))
    refuse_stranger(data, "an experiment", Where(source))
    if not isinstance(data, dict):
        raise SpecError(
            [
                Mistake(
                    str(Where(source, 1, 1)),
                    "",
                    "expected an experiment: a mapping with `title` and `method`",
                )
            ]
        )
    return Experiment(found.name, found.path, hashlib.sha256(raw).hexdigest(), data)


@functools.lru_cache(maxsize=16)
def _parsed(source: str, raw: bytes, json_text: bool) -> Any:
    """A run looks at the same bytes several times, each time for another reason."""
    return _json(source, raw) if json_text else _yaml(source, raw)


def experiment_finder(parsed: Written) -> Callable[[str], Experiment]:
    """What finds the experiments of a drill: names in its roots, paths beside it. It raises
    UsageError, SpecError. Each is read once: what runs is what was looked at.
    """
    roots: Roots = parsed.source.roots
    folder = parsed.source.folder
    return functools.cache(lambda name: read_experiment(find_experiment(name, roots, folder)))


def _json(source: str, raw: bytes) -> Any:
    def unfit(word: str) -> Any:
        raise ValueError(f"found {word}, which JSON does not know")

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            read_one(source, raw)  # it tells where, if the text is YAML as well
            raise ValueError("a key stands twice in one object")
        return made

    try:
        data = json.loads(raw.decode("utf-8-sig"), parse_constant=unfit, object_pairs_hook=whole)
    except json.JSONDecodeError as error:
        raise SpecError(
            [Mistake(f"{source}:{error.lineno}:{error.colno}", "", f"not JSON: {error.msg}")]
        ) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        where = Where(source, line, column)
        raise SpecError([Mistake(str(where), "", f"not UTF-8: {error.reason}")]) from error
    except (ValueError, RecursionError) as error:
        raise SpecError([Mistake(str(Where(source, 1, 1)), "", f"not JSON: {error}")]) from error
    return _plain(data, source)


def _yaml(source: str, raw: bytes) -> Any:
    import yaml

    # Bounds depth, size and aliases, and tells syntax errors with their place.
    documents = read_all(source, raw)
    for document in documents[:1]:
        refuse_stranger(document, "an experiment", document.where)
    only(documents, source)
    try:
        data = yaml.load(
            raw.decode("utf-8-sig"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Where(source, mark.line + 1, mark.column + 1) if mark else Where(source)
        raise SpecError([Mistake(str(where), "", f"not YAML: {error.problem}")]) from error
    except (ValueError, OverflowError, TypeError, KeyError) as error:
        raise SpecError(
            [Mistake(source, "", f"a value that YAML 1.1 cannot read: {error}")]
        ) from error
    return _plain(data, source)


def _plain(data: Any, source: str, depth: int = 0) -> Any:
    """The data as JSON can hold it: dates become text, other YAML types are refused."""
    if depth > MAX_DEPTH:
        raise SpecError([Mistake(source, "", f"expected at most {MAX_DEPTH} levels, found more")])
    if isinstance(data, dict):
        return {str(k): _plain(v, source, depth + 1) for k, v in data.items()}
    if isinstance(data, list):
        return [_plain(v, source, depth + 1) for v in data]
    if isinstance(data, date | datetime):
        return data.isoformat()
    if data is None or isinstance(data, str | bool | int):
        return data
    if isinstance(data, float) and data == data and abs(data) != float("inf"):
        return data
    raise SpecError(
        [
            Mistake(
                source, "", f"expected plain data, found {type(data).__name__} {quoted(str(data))}"
            )
        ]
    )


def activities(data: Mapping[str, Any]) -> tuple[Outline, ...]:
    """The activities of an experiment in their order; malformed ones are left out
    (`check_experiment` tells them).
    """
    return tuple(
        _outline(activity, place)
        for place, _, activity in _entries(data)
        if isinstance(activity, Mapping) and isinstance(activity.get("provider"), Mapping)
    )


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[Place, Trail, Any]]:
    hypothesis = data.get("steady-state-hypothesis")
    probes = hypothesis.get("probes") if isinstance(hypothesis, Mapping) else None
    places: tuple[tuple[Place, Trail, Any], ...] = (
        ("hypothesis", ("steady-state-hypothesis", "probes"), probes),
        ("method", ("method",), data.get("method")),
        ("rollback", ("rollbacks",), data.get("rollbacks")),
    )
    for place, path, items in places:
        for i, activity in enumerate(items if isinstance(items, list) else ()):
            yield place, (*path, i), activity


def _outline(activity: Mapping[str, Any], place: Place) -> Outline:
    provider = activity["provider"]
    kind = str(provider.get("type", ""))
    module, func = str(provider.get("module", "")), str(provider.get("func", ""))
    timeout = provider.get("timeout", activity.get("timeout"))
    what = {
        "python": f"{module}.{func}",
        "process": str(provider.get("path", "")),
        "http": str(provider.get("url", "")),
    }
    return Outline(
        name=str(activity.get("name", "")),
        place=place,
        type=str(activity.get("type", "")),
        provider=kind,
        what=what.get(kind, ""),
        module=module,
        func=func,
        arguments=provider.get("arguments"),
        background=activity.get("background") is True,
        timeout_s=float(timeout) if isinstance(timeout, int | float) else None,
    )


def configuration(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names of the experiment's configuration, with their defaults as written."""
    found = data.get("configuration")
    return {str(k): v for k, v in found.items()} if isinstance(found, Mapping) else {}


def check_experiment(experiment: Experiment) -> ExperimentReview:
    """What is wrong with an experiment, as far as its file alone tells. Modules are
    not imported.
    """
    complaints = list(_complaints(experiment.data))
    mistakes = Mistakes()
    place = _places(experiment) if complaints else lambda path: Where(shown(experiment.path))
    for path, what in complaints:
        mistakes.add(place(path), path, what)
    return ExperimentReview(
        mistakes.found, tuple(dict.fromkeys(_notes(experiment.data, experiment.path.parent)))
    )


def _places(experiment: Experiment) -> Callable[[Trail], Where]:
    source = shown(experiment.path)
    try:
        tree = read_one(source, read_bytes(experiment.path))
    except SpecError:  # JSON that is no YAML, or gone meanwhile: the file's name must do
        return lambda path: Where(source)
    return lambda path: lookup(tree, path) if isinstance(tree, Map) else Where(source)


_KEYS = (
    *("version", "title", "description", "tags", "configuration", "secrets", "contributions"),
    *("steady-state-hypothesis", "method", "rollbacks", "controls", "runtime", "dry"),
    *("extensions", "imports"),
)
"""Of an experiment, as Chaos Toolkit's specification has them; it ignores all others."""
_OF_HYPOTHESIS = ("title", "probes", "controls")
_OF_ACTIVITY = (
    *("type", "name", "ref", "tolerance", "provider", "pauses", "background", "controls"),
    *("configuration", "secrets", "dry", "tags", "title", "description", "timeout"),
)
_OF_PROVIDER = {
    "python": ("type", "module", "func", "arguments", "secrets", "config", "timeout"),
    "process": ("type", "path", "arguments", "timeout", "secrets"),
    "http": (
        *("type", "url", "method", "headers", "arguments", "timeout", "verify_tls", "secrets"),
        *("expected_status", "max_retries"),
    ),
}


def _slips(data: Mapping[str, Any], known: Iterable[str], path: Trail) -> Iterator[Complaint]:
    """Keys that are nearly known ones: Chaos Toolkit would do without, and say nothing."""
    names = tuple(known)
    for key in data:
        if key not in names and (meant := near(str(key), names)) is not None:
            yield (*path, key), f"unknown key {quoted(str(key))}; did you mean `{meant}`?"


def _complaints(data: Mapping[str, Any]) -> Iterator[Complaint]:
    yield from _slips(data, _KEYS, ())
    for key in ("title", "description"):
        if not isinstance(data.get(key), str) or not data[key]:
            yield (
                (key,) if key in data else (),
                f"expected a text as `{key}`, found {_what(data.get(key))}",
            )
    for key, want in (
        ("configuration", dict),
        ("secrets", dict),
        ("rollbacks", list),
        ("controls", list),
    ):
        if data.get(key) is not None and not isinstance(data[key], want):
            yield (
                (key,),
                f"expected {'a list' if want is list else 'a mapping'}, found {_what(data[key])}",
            )
    if not isinstance(data.get("method"), list):
        what = "expected a list of activities as `method` (it may be empty)"
        yield ("method",) if "method" in data else (), f"{what}, found {_what(data.get('method'))}"
    hypothesis = data.get("steady-state-hypothesis")
    if hypothesis is not None:
        yield from _hypothesis(hypothesis)
    named = [a.get("name") for _, _, a in _entries(data) if isinstance(a, Mapping)]
    names = {name for name in named if isinstance(name, str)}
    for place, path, activity in _entries(data):
        yield from _activity(activity, place, path, names)


def _hypothesis(hypothesis: Any) -> Iterator[tuple[Trail, str]]:
    path: Trail = ("steady-state-hypothesis",)
    if not isinstance(hypothesis, Mapping):
        yield path, f"expected a mapping with `title` and `probes`, found {_what(hypothesis)}"
        return
    yield from _slips(hypothesis, _OF_HYPOTHESIS, path)
    if not hypothesis.get("title"):
        yield path, "`title` is missing"
    probes = hypothesis.get("probes")
    if probes is not None and not isinstance(probes, list):
        yield (*path, "probes"), f"expected a list of probes, found {_what(probes)}"
    for i, probe in enumerate(probes if isinstance(probes, list) else ()):
        if isinstance(probe, Mapping) and "ref" not in probe and "tolerance" not in probe:
            yield (*path, "probes", i), "`tolerance` is missing: a probe without one proves nothing"
        given = probe.get("tolerance", True) if isinstance(probe, Mapping) else True
        if problem := tolerance_problem(given):
            yield (*path, "probes", i, "tolerance"), problem


def _activity(
    activity: Any, place: Place, path: Trail, names: set[str]
) -> Iterator[tuple[Trail, str]]:
    if not isinstance(activity, Mapping):
        yield path, f"expected an activity (a mapping), found {_what(activity)}"
        return
    yield from _slips(activity, _OF_ACTIVITY, path)
    if "ref" in activity:
        if str(activity["ref"]) not in names:
            yield (
                (*path, "ref"),
                "no activity is called "
                f"{quoted(str(activity['ref']))}{nearest(str(activity['ref']), names)}",
            )
        return
    if activity.get("type") not in ("action", "probe"):
        yield (*path, "type"), f"expected action or probe, found {_what(activity.get('type'))}"
    elif place == "hypothesis" and activity["type"] != "probe":
        yield (*path, "type"), "expected a probe: a hypothesis only looks"
    if not isinstance(activity.get("name"), str) or not activity["name"]:
        yield path, "`name` is missing"
    if "background" in activity and not isinstance(activity["background"], bool):
        yield (
            (*path, "background"),
            f"expected true or false, found {_what(activity['background'])}",
        )
    provider = activity.get("provider")
    if not isinstance(provider, Mapping):
        yield path, "`provider` is missing: expected a mapping with `type`"
        return
    yield from _slips(
        provider, _OF_PROVIDER.get(str(provider.get("type")), ()), (*path, "provider")
    )
    yield from _provider(provider, (*path, "provider"))


def _provider(provider: Mapping[str, Any], path: Trail) -> Iterator[tuple[Trail, str]]:
    needed = {"python": ("module", "func"), "process": ("path",), "http": ("url",)}
    kind = provider.get("type")
    if not isinstance(kind, str) or kind not in needed:
        yield (*path, "type"), f"expected one of {', '.join(needed)}, found {_what(kind)}"
        return
    for key in needed[kind]:
        if not isinstance(provider.get(key), str) or not provider[key]:
            yield path, f"`{key}` is missing: a {kind} activity needs it"
    module = provider.get("module")
    if (
        kind == "python"
        and isinstance(module, str)
        and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module)
    ):
        yield (*path, "module"), f"expected a Python module, found {quoted(module)}"
    arguments = provider.get("arguments")
    if kind == "python" and arguments is not None and not isinstance(arguments, Mapping):
        yield (*path, "arguments"), f"expected a mapping, found {_what(arguments)}"


def _what(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return quoted(str(value))


def _notes(data: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for activity, provider in _providers(data):
        if provider.get("type") == "python":
            if problem := python_problem(provider, folder):
                yield f"activity `{activity}`: {problem}"
        elif provider.get("type") == "process":
            path = str(provider.get("path") or "")
            if path and not _is_there(path):
                yield f"activity `{activity}`: there is no program {quoted(path)} here"
    if not any(a.type == "action" for a in activities(data) if a.place == "method"):
        yield "its method has no action: a run of it tests nothing, and is never met"
    for place, _, activity in _entries(data):
        if not isinstance(activity, Mapping):
            continue
        if place == "hypothesis" and decides_nothing(activity):
            yield (
                f"activity `{activity.get('name')}`: it is within its tolerance whatever there is "
                "to be seen, so it decides nothing"
            )


def _providers(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every activity's name and provider; also those that a tolerance calls."""
    for _, _, activity in _entries(data):
        tolerance = activity.get("tolerance") if isinstance(activity, Mapping) else None
        for each in (activity, tolerance):
            provider = each.get("provider") if isinstance(each, Mapping) else None
            if isinstance(provider, Mapping):
                yield str(activity.get("name", "")), provider


def _is_there(program: str) -> bool:
    return "${" in program or shutil.which(program) is not None or Path(program).is_file()
