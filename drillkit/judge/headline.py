"""The verdict in a sentence, the findings behind it, and what was not shown."""

from __future__ import annotations

from drillkit.judge.run_history import RunRead
from drillkit.judge.step_verdicts import StepJudged
from drillkit.judge.wording import bare_title, lost, title
from drillkit.model.subjects import (
    ActivityOf,
    BoundOf,
    CheckOf,
    FaultInEffect,
    GateOf,
    GuardOf,
    ObjectiveOf,
    StepEnd,
    Subject,
    UndoOf,
    WholeRun,
)
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged, SliSummary, UndoState

MOST_CAUSES = 3
MOST_HELD = 4
_ENDINGS = (WholeRun("abort"), WholeRun("end"))
"""What cut a run short; everything that was not decided follows from it."""


def headline(
    holds: Holds,
    refused: str,
    judged: list[Judged],
    steps: list[StepJudged],
    slis: tuple[SliSummary, ...],
    undos: tuple[UndoState, ...],
    bounded: bool,
) -> str:
    """The verdict as a sentence or two. `judged`: everything that decided, the worst need not
    stand first.
    """
    prefix = _dirty(undos)
    if refused:
        return " ".join(f"{prefix}refused: {refused}; nothing was touched".split())
    several = _several(judged, steps)
    ending = [j for j in judged if j.about in _ENDINGS]
    said = _because(holds, judged, ending, several)
    skipped = [s.verdict.name for s in steps if s.verdict.outcome == "skipped"]
    if skipped and holds is not Holds.MET and not ending:
        said.append(
            f"not proven: {', '.join(skipped[:3])}{' and more' if len(skipped) > 3 else ''}"
        )
    good = [j for j in judged if j.holds is Holds.MET and _worth_saying(j)]
    if holds is Holds.MET:
        other = [j for j in judged if not _is_condition(j.about)][:2]
        said = [_listed(good or other, several, MOST_HELD)]
        said += [f"{s.verdict.name} on the word of {s.on_word_of}" for s in steps if s.on_word_of]
        if not bounded and not good and not slis:
            said.append("what users felt was not watched")
        good = []
    if not bounded:
        said.append(_observed(slis))
    text = (
        f"{prefix}{holds}: {'; '.join(part for part in said if part)}"
        if any(said)
        else f"{prefix}{holds}"
    )
    if good:
        text += f". Held{' until then' if ending else ''}: {_listed(good, several, MOST_HELD)}"
    return " ".join(text.split())


def _is_condition(about: Subject) -> bool:
    """Whether it only had to hold for anything to be shown."""
    return isinstance(about, GuardOf) or (isinstance(about, GateOf) and about.place == "before")


def _because(holds: Holds, judged: list[Judged], ending: list[Judged], several: bool) -> list[str]:
    """What made it as bad as it is."""
    if holds is Holds.MET:
        return []
    worst = [j for j in judged if j.holds is holds and not _is_open(j)]
    # A skipped step follows from something else; so does everything that an end before its time
    # left undecided.
    causes = [j for j in worst if not j.observed.startswith(("skipped", "not reached"))] or worst
    if holds is Holds.UNKNOWN:
        causes.sort(key=_consequence)
    if ending and holds is Holds.UNKNOWN:
        causes = [j for j in ending if j.holds is holds] or causes
    said = [_listed(causes, several, MOST_CAUSES)] if causes else []
    return said + [j.observed for j in ending if j not in causes]


def _consequence(judged: Judged) -> int:
    """What was not done comes first, then what was not seen because of that, last that nothing
    was proven.
    """
    match judged.about:
        case WholeRun(part="declared" | "steps"):
            return 2
        case StepEnd() | ActivityOf():
            return 0
        case _:
            return 1


def _is_open(judged: Judged) -> bool:
    """An undo that is open stands before everything else already."""
    return isinstance(judged.about, UndoOf) and not judged.about.by_hand


def _listed(several_judged: list[Judged], several: bool, most: int) -> str:
    """`web 7 of 2,400 requests lost (bound 20), longest gap 0.35 s (bound 5 s); pages ...`."""
    phrases = list(dict.fromkeys(phrase(j, several) for j in several_judged))
    text = ""
    for i, (subject, words, doubt) in enumerate(phrases[:most]):
        named = subject and (i == 0 or subject != phrases[i - 1][0])
        if text:
            text += "; " if named else ", "
        text += f"{subject} {words}" if named else words
        # One doubt about several figures of a probe is told once, behind the last of them.
        goes_on = i + 1 < min(most, len(phrases)) and phrases[i + 1][::2] == (subject, doubt)
        text += f", but {doubt}" if doubt and not goes_on else ""
    more = len(phrases) - most
    return f"{text}; {more} more" if more > 0 else text


def phrase(judged: Judged, several: bool) -> tuple[str, str, str]:
    """(whose it is, `7 of 2,400 requests lost (bound 20)`, why that is not believed).

    Nobody's where only one thing was watched.
    """
    about, words = judged.about, judged.observed
    doubt = judged.doubt if judged.holds is Holds.UNKNOWN else ""
    match about:
        case BoundOf() | ObjectiveOf() if judged.expected.startswith("at most "):
            if words.startswith("not measured"):
                words = f"{bare_title(about)} {words}"
            else:
                words = f"{words} (bound {judged.expected.removeprefix('at most ')})"
            return _name(about) if several else "", words, doubt
        case GateOf():
            wanted = "" if judged.expected == "a decision" else f" (expected {judged.expected})"
            return "", f"{title(about)}: {words}{wanted}", doubt
        case ActivityOf(place=place, name=name):
            return "", _activity(place, name, judged), ""
        case CheckOf() | FaultInEffect():
            return "", f"{bare_title(about)}: {words} (expected {judged.expected})", ""
        case WholeRun(part="abort" | "end" | "journal" | "declared"):
            return "", words, doubt
        case _:
            return "", f"{title(about)}: {words}", ""


def _activity(place: str, name: str, judged: Judged) -> str:
    where = {"before": " before the experiment", "after": " after the experiment"}.get(place, "")
    if judged.expected == "within its tolerance":
        return (
            f"\u201c{name}\u201d "
            f"{'held' if judged.holds is Holds.MET else 'was ' + judged.observed}{where}"
        )
    return f"\u201c{name}\u201d {judged.observed}"


def _name(about: Subject) -> str:
    """Whose figures these are: the probe or SLO of a bound, the step of an objective."""
    match about:
        case BoundOf(sli=sli, step=step):
            return f"{step} {sli}" if step else sli
        case ObjectiveOf(step=step):
            return step
        case _:
            return ""


def _several(judged: list[Judged], steps: list[StepJudged]) -> bool:
    slis = {_name(j.about) for j in judged if isinstance(j.about, BoundOf)}
    measured = [s for s in steps if any(isinstance(p.about, ObjectiveOf) for p in s.proofs)]
    return len(slis) > 1 or len(measured) > 1


def _worth_saying(judged: Judged) -> bool:
    return isinstance(judged.about, BoundOf | ObjectiveOf)


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
        parts.append(f"{name}{lost(sli.bad, sli.sent)}{gap}")
    more = f"; {len(during) - 3} more" if len(during) > 3 else ""
    return f"observed, not judged: {'; '.join(parts)}{more}" if parts else ""


def not_proven(
    run: RunRead, steps: list[StepJudged], bounded: bool, slis: tuple[SliSummary, ...]
) -> tuple[str, ...]:
    """What a reader might think was shown and was not."""
    found = [words for step in steps for words in step.not_proven]
    watched = any(s.phase == "during" and not s.control for s in slis)
    if not bounded and watched:
        found.append(
            "that users were served well enough while steps ran: without a bound it was "
            "only observed"
        )
    if (
        not watched
        and not bounded
        and any(step.touched and step.disturbs == "users" for step in run.steps.values())
    ):
        found.append("that users were served while steps ran: no probe watched it")
    if run.slos:
        names = ", ".join(sorted(run.slos))
        found.append(
            f"compliance with {names} over its window: a drill is minutes of it, and a fault is "
            "no sample"
        )
    return tuple(found)
