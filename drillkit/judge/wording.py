"""Names and counts in words, for whoever reads a verdict: the headline, the reports,
the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.model.units import format_duration

_BOUNDS = {
    "bad": "failed requests",
    "longest_gap": "longest gap",
    "budget": "error budget",
    "recovery": "recovery",
    "p95": "p95",
    "p99": "p99",
}
_OBJECTIVES = {"rto": "RTO", "rpo": "RPO", "detect": "time to detect", "recovery": "recovery"}
_PLACES = {
    "before": "before the experiment",
    "method": "",
    "during": "during the experiment",
    "after": "after the experiment",
    "rollback": "rollback",
}
_GATES = {"before": "before the steps", "between": "between steps", "after": "after the steps"}
_WHOLE = {
    "run": "end of the run",
    "run/opened": "record 1",
    "drill": "what is declared",
    "guard/start/start": "start",
    "guard/start/target": "target",
    "guard/start/drill": "drill",
}
_CAUSES = {
    "refused": "refused",
    "timeout": "timed out",
    "reset": "reset",
    "5xx": "answered 5xx",
    "4xx": "answered 4xx",
    "slow": "too slow",
    "dns": "name not resolved",
    "tls": "TLS failed",
    "body": "wrong body",
    "throttled": "throttled",
    "unreachable": "unreachable",
    "status": "unexpected status",
}


def title(about: str, *, step: str = "") -> str:
    """What a Judged or Finding is about, for people: `during/web/p95` is `web during the
    steps: p95`.

    `step`: its name is left out, where everything around is of that step.
    """
    if about in _WHOLE:
        return _WHOLE[about]
    first, _, rest = about.partition("/")
    if first in _GATES:
        # `during` of a drill and of a step have one more part: the bound.
        return f"{rest} {_GATES[first]}"
    if first == "during":
        return _bound(rest, "during the steps")
    if first == "guard":
        return f"guard {rest.partition('/')[2]}"
    if first == "cleanup":
        return f"undo of {rest}"
    if first in ("step", "run"):
        name, _, what = rest.partition("/") if first == "step" else ("run", "", rest)
        words = _of_step(what)
        if not words:
            return name
        return words if name == step else f"{name}: {words}"
    return about


def _bound(rest: str, when: str) -> str:
    name, _, bound = rest.rpartition("/")
    return f"{name} {when}: {_BOUNDS.get(bound, bound)}" if name else rest


def _of_step(what: str) -> str:
    kind, _, rest = what.partition("/")
    match kind:
        case "activity":
            place, _, name = rest.partition("/")
            where = _PLACES.get(place, place)
            return f"{name}, {where}" if where else name
        case "check":
            return rest
        case "in-effect":
            return f"in effect: {rest}"
        case "objective":
            return _OBJECTIVES.get(rest, rest)
        case "comparison":
            of, _, subject = rest.partition("/")
            return f"{of} of {subject}"
        case "during":
            return _bound(rest, "during the step")
        case "before" | "between" | "after":
            return f"{rest} {_GATES[kind].replace('steps', 'step')}"
        case "checks":
            return "declared checks"
        case "restored-data":
            return "restored data read"
    return what


def latency(seconds: float) -> str:
    """`104 ms`; from one second on, seconds."""
    return format_duration(seconds) if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def number(value: float) -> str:
    """`219,900`, `0.25`: at most six digits behind a small one's point, all of a large one's
    before it.
    """
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.6g}"


def lost(bad: Mapping[str, int], sent: int) -> str:
    """`7 of 2,400 requests lost`; slow and throttled ones were answered, so they are called what
    they are.
    """
    failed = sum(bad.values())
    parts = {"slow": bad.get("slow", 0), "throttled": bad.get("throttled", 0)}
    gone = failed - sum(parts.values())
    named = [f"{count:,} {word}" for word, count in {"lost": gone, **parts}.items() if count]
    if not named:
        return f"0 of {sent:,} requests lost"
    if len(named) == 1:
        word = named[0].partition(" ")[2]
        return f"{failed:,} of {sent:,} requests {'too slow' if word == 'slow' else word}"
    return f"{failed:,} of {sent:,} requests bad: {', '.join(named)}"


def causes(bad: Mapping[str, int]) -> str:
    """`70 answered 5xx, 3 refused`, the most frequent first."""
    ordered = sorted(bad.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {_CAUSES.get(cause, cause)}" for cause, count in ordered if count)
