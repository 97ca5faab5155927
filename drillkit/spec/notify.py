"""`notify:` of a drill and of drillkit.yaml, read as the notifiers know it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from drillkit.entry_points import BrokenPlugin
from drillkit.model.errors import Mistake, SpecError
from drillkit.model.notice import ENDINGS, EVENTS, Event, Notify
from drillkit.secrets import is_reference
from drillkit.secrets.redactor import is_literal
from drillkit.spec.binder import Unresolved, bind
from drillkit.spec.document import Mistakes, Trail, Where, nearest, of_data, quoted
from drillkit.spec.types import keys_of

if TYPE_CHECKING:
    from drillkit.model.drill import Drill
    from drillkit.notify import Notifier, Receiver
    from drillkit.spec.roots import Roots

_EXPECTED = "expected a reference such as env:NAME or file:PATH; secrets do not stand here"


def complaints(several: Iterable[Notify]) -> Iterator[tuple[Trail, str]]:
    """What is wrong with them, each with its path."""
    for i, each in enumerate(several):
        if isinstance(each, Notify):
            yield from _complaints(each, ("notify", i))


def _complaints(given: Notify, path: Trail) -> Iterator[tuple[Trail, str]]:
    if isinstance(given.uses, Unresolved):
        yield (*path, "uses"), "expected the name itself, found a reference"
        return
    notifier, why = _named(given.uses)
    if notifier is None:
        yield (*path, "uses"), why
        return
    mistakes = Mistakes()
    bound = bind(notifier.Arguments, of_data(given.with_, Where("")), mistakes, (*path, "with"))
    if len(mistakes):
        yield from (
            ((*path, "with"), f"{found.path}: {found.what}" if found.path else found.what)
            for found in mistakes.found
        )
    else:
        yield from _secrets(notifier, bound, (*path, "with"))
    for event in _events(given):
        if event not in notifier.events:
            listed = ", ".join(each for each in EVENTS if each in notifier.events)
            yield (
                (*path, "events"),
                f"`{given.uses}` does not tell `{event}`; it tells {listed}",
            )


def _named(name: str) -> tuple[Notifier[Any] | None, str]:
    """The notifier, or why there is none."""
    from drillkit.notify import notifier_named, notifier_names

    try:
        return notifier_named(name), ""
    except KeyError:
        near = nearest(name, notifier_names())
        return None, f"no notifier is called {quoted(name)}{near}"
    except BrokenPlugin as error:
        return None, str(error)
    except ImportError as error:
        return None, f"the notifier {quoted(name)} cannot be loaded: {error}"


def _secrets(notifier: Notifier[Any], bound: Any, path: Trail) -> Iterator[tuple[Trail, str]]:
    """Values that must be references; they are not repeated."""
    for key in keys_of(notifier.Arguments):
        value = getattr(bound, key.field)
        if isinstance(value, Unresolved):
            continue
        if isinstance(value, str):
            refers = is_reference(value)
            if value.startswith("aws-secret:") or (key.field in notifier.secrets and not refers):
                yield (*path, key.key), _EXPECTED
            elif not refers and "@" in value.partition("://")[2].partition("/")[0]:
                yield (*path, key.key), "a password must not stand in a URL"
        elif isinstance(value, dict):
            for name, inner in value.items():
                if isinstance(inner, str) and is_literal(name, inner):
                    yield (*path, key.key, name), _EXPECTED


def _events(given: Notify) -> Iterator[Event]:
    """Those that are named, `ended` put in words."""
    for event in given.events:
        if isinstance(event, Unresolved):
            continue
        if event == "ended":
            yield from (each for each in EVENTS if each in ENDINGS)
        else:
            yield event


def receivers_of(roots: Roots, drill: Drill | None = None) -> tuple[Receiver, ...]:
    """Who is told: those of the project, then the drill's own. Raises SpecError with every mistake
    in the project's; a drill's are checked when it is read.
    """
    project = roots.project
    found: list[Receiver] = []
    if project is not None and project.project.notify:
        mistakes = project_mistakes(roots)
        if mistakes:
            raise SpecError(list(mistakes))
        found += _receivers(project.project.notify, "drillkit.yaml")
    if drill is not None:
        found += _receivers(drill.notify, f"drill {drill.drill}")
    return tuple(found)


def project_mistakes(roots: Roots) -> tuple[Mistake, ...]:
    """What is wrong with `notify:`, `report_url:` and `telemetry:` of the project's
    drillkit.yaml.
    """
    from drillkit.spec.document import written
    from drillkit.spec.project import MARKER, shown

    if roots.project is None:
        return ()
    file, project = shown(roots.project.folder / MARKER), roots.project.project
    found = [Mistake(file, written(path), what) for path, what in complaints(project.notify)]
    urls = {
        "report_url": project.report_url,
        "telemetry.push": project.telemetry.push,
        "telemetry.traces": project.telemetry.traces,
    }
    found += [
        Mistake(file, key, "expected a URL such as https://reports.example.com")
        for key, url in urls.items()
        if url is not None and not _is_url(url)
    ]
    found += [
        Mistake(file, f"telemetry.headers.{name}", _EXPECTED)
        for name, value in project.telemetry.headers.items()
        if is_literal(name, value)
    ]
    return tuple(found)


def _is_url(text: str) -> bool:
    """One without a password."""
    host = text.partition("://")[2].split("/")[0]
    return text.startswith(("http://", "https://")) and "@" not in host


def _receivers(several: Iterable[Notify], where: str) -> Iterator[Receiver]:
    from drillkit.notify import Receiver, notifier_named

    for given in several:
        notifier = notifier_named(given.uses)
        bound = bind(notifier.Arguments, of_data(given.with_, Where(where)), Mistakes())
        events = frozenset(_events(given)) or notifier.default
        yield Receiver(f"{given.uses} ({where})", notifier, bound, events, given.who)
