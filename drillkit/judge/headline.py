"""The verdict in one sentence, the findings behind it, and what was not shown."""

from __future__ import annotations

from collections.abc import Iterable

from drillkit.judge.reading import RunRead
from drillkit.judge.stepping import StepJudged
from drillkit.model.evidence import Note
from drillkit.model.units import format_duration
from drillkit.model.verdict import Finding, Holds, Judged, SliSummary, UndoState

MOST_PHRASES = 4
_ADVICE = (
    ("cleanup/", "run `drillkit recover`, or undo it by hand and look at the resource"),
    ("journal", "judge it with the version of drillkit that wrote it"),
    ("abort", "see the timeline for what was seen when"),
    ("/activity/", "see the experiment's error; run `drillkit run --dry-run` to see what it would hit"),
    ("/in-effect/", "something healed or never applied the fault; look for controllers that own the object"),
    ("/restored-data", "declare a check that reads restored data, such as `sql:` or `canary:`"),
    ("/budget", "see the SLO's terms with `drillkit slo show`"),
    ("/recovery", "compare with readiness probes, replica counts and start-up times"),
    ("/longest_gap", "look at the outage in the chart: retries, connection draining, readiness"),
    ("drill", "declare bounds under `hypothesis.during`, or objectives and checks of its steps"),
)


def headline(
    holds: Holds, refused: str, judged: list[Judged], steps: list[StepJudged], slis: tuple[SliSummary, ...],
    undos: tuple[UndoState, ...], bounded: bool,
) -> str:  # fmt: skip
    """One sentence. `judged`: everything that decided, the worst need not stand first."""
    prefix = _dirty(undos)
    if refused:
        return f"{prefix}refused: {refused}; nothing was touched"
    several = _several(judged, steps)
    good = [phrase(j, several) for j in judged if j.holds is Holds.MET and _worth_saying(j)]
    worst = [j for j in judged if j.holds is holds and holds is not Holds.MET]
    # A skipped step follows from something else, which is said first.
    causes = [j for j in worst if not j.observed.startswith("skipped")] or worst
    said = list(dict.fromkeys([phrase(j, several) for j in causes][:2] + good))[:MOST_PHRASES]
    if holds is Holds.MET and not said:
        said = [phrase(j, several) for j in judged if not j.about.startswith(("before/", "guard/"))][:2]
    skipped = [s.verdict.name for s in steps if s.verdict.outcome == "skipped"]
    if skipped and causes is not worst:
        said.append(f"not proven: {', '.join(skipped[:3])}{' and more' if len(skipped) > 3 else ''}")
    if not bounded and (seen := _observed(slis)):
        said.append(f"observed, not judged: {seen}")
    return f"{prefix}{holds}: {', '.join(said)}" if said else f"{prefix}{holds}"


def phrase(judged: Judged, several: bool) -> str:
    """`7 of 2,400 requests lost (bound 20)`, with a name before it where there are several."""
    about, words = judged.about, judged.observed
    first, _, rest = about.partition("/")
    if first in ("before", "between", "after"):
        return f"{rest} {first}: {words} (expected {judged.expected})"
    if judged.expected.startswith("at most "):
        words = f"{words} (bound {judged.expected.removeprefix('at most ')})"
        name = _name(about)
        return f"{name}: {words}" if several and name else words
    if first in ("step", "cleanup", "guard"):
        return f"{rest.replace('/', ' ')}: {words}"
    return words


def _name(about: str) -> str:
    parts = about.split("/")
    if parts[0] in ("during", "after", "between", "before", "step") and len(parts) > 1:
        return parts[1] if parts[0] != "step" or "during" not in parts else parts[parts.index("during") + 1]
    return ""


def _several(judged: list[Judged], steps: list[StepJudged]) -> bool:
    slis = {_name(j.about) for j in judged if "during/" in j.about}
    return len(slis) > 1 or sum(any("/objective/" in p.about for p in s.proofs) for s in steps) > 1


def _worth_saying(judged: Judged) -> bool:
    return "during/" in judged.about or "/objective/" in judged.about


def _dirty(undos: tuple[UndoState, ...]) -> str:
    left = [undo.resource for undo in undos if undo.outcome == "open"]
    if not left:
        return ""
    of = sum(undo.phase != "irreversible" for undo in undos)
    names = ", ".join(left[:3]) + (" and more" if len(left) > 3 else "")
    return f"dirty, {len(left)} of {of} undos are open ({names}); "


def _observed(slis: tuple[SliSummary, ...]) -> str:
    during = [s for s in slis if s.phase == "during" and not s.control and s.sent]
    parts = []
    for sli in during[:3]:
        name = f"{sli.sli} " if len(during) > 1 else ""
        gap = f", longest gap {format_duration(sli.longest_gap_s)}" if sli.longest_gap_s else ""
        parts.append(f"{name}{sli.sent - sli.good:,} of {sli.sent:,} requests lost{gap}")
    return "; ".join(parts)


def findings(run: RunRead, judged: Iterable[Judged]) -> tuple[Finding, ...]:
    """Everything that is not met, the violated first, then the action items that people noted."""
    owner = run.drill.owner if run.drill else ""
    found = [
        Finding(
            holds=j.holds, about=j.about, expected=j.expected, observed=j.observed + (f" ({j.note})" if j.note else ""),
            records=j.records, owner=owner, advice=_advice(j.about),
        )
        for j in judged
        if j.holds is not Holds.MET
    ]
    found.sort(key=lambda finding: finding.holds is not Holds.VIOLATED)
    everything = [*run.evidence, *(seen for step in run.steps.values() for seen in step.evidence)]
    items = [
        Finding(
            holds=Holds.MET, about="action-item", expected="done", observed=f"{seen.what.text} ({seen.what.by})",
            records=(seen.n,), owner=seen.what.owner or owner, due=seen.what.due,
        )
        for seen in everything
        if isinstance(seen.what, Note) and seen.what.about == "action-item"
    ]
    return (*found, *items)


def _advice(about: str) -> str:
    return next((advice for part, advice in _ADVICE if part in about), "")


def not_proven(run: RunRead, steps: list[StepJudged], bounded: bool, slis: tuple[SliSummary, ...]) -> tuple[str, ...]:
    """What a reader might think was shown and was not."""
    found = [words for step in steps for words in step.not_proven]
    if not bounded and any(s.phase == "during" and not s.control for s in slis):
        found.append("that users were served well enough while steps ran: without a bound it was only observed")
    if run.slos:
        names = ", ".join(sorted(run.slos))
        found.append(f"compliance with {names} over its window: a drill is minutes of it, and a fault is no sample")
    return tuple(found)
