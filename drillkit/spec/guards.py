"""Guards: which keys belong together, and where each may stand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from drillkit.clock import now_utc
from drillkit.model.drill import Guard, Guards
from drillkit.spec.binder import Unresolved, known
from drillkit.spec.document import Trail, nearest, quoted

if TYPE_CHECKING:
    from drillkit.spec.sli_names import SliNames

_COMPANIONS = {
    "left": "budget",
    "spent": "budget",
    "burn": "slo",
    "window": "slo",
    "longest_gap": "probe",
    "bad": "probe",
}
_NEEDED: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("budget", "start"): (("left",), "`left`, such as `left: 20%`"),
    ("budget", "abort"): (("spent",), "`spent`, such as `spent: 2%`"),
    ("slo", "abort"): (("burn", "window"), "`burn` and `window`, such as `burn: 14.4, window: 5m`"),
    ("probe", "abort"): (
        ("longest_gap", "bad"),
        "`longest_gap` or `bad`, such as `longest_gap: 30s`",
    ),
}
_ONLY: dict[str, Literal["start", "abort"]] = {
    "probe": "abort",
    "blind": "abort",
    "freeze": "start",
}
_START_OR_ABORT: dict[str, Literal["start", "abort"]] = {
    "left": "start",
    "spent": "abort",
    "burn": "abort",
    "window": "abort",
}


def check_guards(
    guards: Guards, names: SliNames, folder: Path | None
) -> Iterator[tuple[Trail, str]]:
    """What is wrong with a drill's guards."""
    if isinstance(guards, Unresolved):
        return
    for place in ("start", "abort"):
        for i, guard in enumerate(getattr(guards, place)):
            if isinstance(guard, Guard):
                path = ("guards", place, i)
                yield from _keys(guard, place, path)
                yield from _subject(guard, path, names, folder)


def _keys(guard: Guard, place: str, path: Trail) -> Iterator[tuple[Trail, str]]:
    subject = guard.subject
    if _ONLY.get(subject, place) != place:
        where = "before a run (`start`)" if place == "abort" else "while it runs (`abort`)"
        yield (*path, subject), f"`{subject}` is watched {where} only; move it there"
        return
    for key, owner in _COMPANIONS.items():
        if getattr(guard, key) is None:
            continue
        if owner != subject:
            yield (*path, key), f"`{key}` goes with `{owner}`, found it with `{subject}`"
        elif _START_OR_ABORT.get(key, place) != place:
            yield (*path, key), f"`{key}` belongs under `{_START_OR_ABORT[key]}`"
    needed, example = _NEEDED.get((subject, place), ((), ""))
    given = [key for key in needed if getattr(guard, key) is not None]
    if needed and (not given or (subject == "slo" and len(given) < len(needed))):
        yield path, f"`{subject}` under `{place}` needs {example}"


def _subject(
    guard: Guard, path: Trail, names: SliNames, folder: Path | None
) -> Iterator[tuple[Trail, str]]:
    if known(guard.alerts):
        from drillkit.clients.prometheus.promql import matchers_of

        try:
            matchers_of(guard.alerts)
        except ValueError as error:
            what = (
                'expected matchers of alerts such as severity="critical" (without any, Watchdog '
                "always fires)"
            )
            yield (*path, "alerts"), f"{what}, found {quoted(guard.alerts)}: {error}"
    for key in ("budget", "slo"):
        if name := getattr(guard, key):
            yield from names.no_slo(name, (*path, key))
    if known(guard.probe) and guard.probe not in names.probes:
        yield (
            (*path, "probe"),
            f"no probe is called {quoted(guard.probe)}{nearest(guard.probe, names.probes)}",
        )
    if known(guard.burn) and guard.burn <= 0:
        yield (*path, "burn"), "expected a burn rate above zero, such as 14.4"
    for key in ("window", "longest_gap", "blind"):
        value: Any = getattr(guard, key)
        if isinstance(value, timedelta) and not value:
            yield (*path, key), "expected a duration above zero, found 0s"
    if known(guard.freeze):
        yield from _freeze(guard.freeze, (*path, "freeze"), folder)


def _freeze(freeze: str, path: Trail, folder: Path | None) -> Iterator[tuple[Trail, str]]:
    from drillkit.spec.freezes import read_freeze

    try:
        read_freeze(freeze, folder).active(now_utc(), UTC)
    except ValueError as error:
        yield path, str(error)
