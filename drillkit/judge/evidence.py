"""One piece of evidence at a time: activities, checks and comparisons of a step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from drillkit.judge.advice import HIT_NOTHING
from drillkit.judge.run_history import EvidenceAt, StepRun
from drillkit.model.evidence import (
    Activity,
    Alert,
    Attachment,
    Backup,
    Check,
    Comparison,
    Injection,
    Mark,
    Measure,
    Note,
    Reading,
    RecoveryPoint,
    Sample,
    Scalar,
)
from drillkit.model.subjects import ActivityOf, CheckOf, ComparisonOf, FaultInEffect
from drillkit.model.verdict import Holds, Judged

_OPERATORS = {
    "==": "",
    "!=": "anything but ",
    ">": "more than ",
    "<": "less than ",
    ">=": "at least ",
    "<=": "at most ",
    "matches": "a match of ",
}
PROVING_PURPOSES = ("step", "restored-data")
"""Checks of these prove something; the others are conditions for anything else to be proven."""


def judge_evidence(step: str, evidence: Iterable[EvidenceAt]) -> tuple[list[Judged], list[Judged]]:
    """(what proves something, what only had to be so for that) of a step's evidence; of a step
    without a name, of the run as a whole.
    """
    proofs: list[Judged] = []
    conditions: list[Judged] = []
    checks: list[tuple[Check, int]] = []
    evidence = list(evidence)
    unproven = any(
        isinstance(seen.what, Activity) and seen.what.outcome == "unproven" for seen in evidence
    )
    for seen in evidence:
        match seen.what:
            case Activity() as activity:
                found = _activity(step, activity, seen.n, unproven)
                (
                    proofs
                    if activity.tolerated is not None and activity.place != "before"
                    else conditions
                ).append(found)
            case Check(purpose="felt"):
                continue  # a matter of what users saw
            case Check() as check:
                checks.append((check, seen.n))
            case Comparison() as comparison:
                proofs.append(_comparison(step, comparison, seen.n))
            case (
                Sample()
                | Reading()
                | Alert()
                | Injection()
                | Mark()
                | RecoveryPoint()
                | Backup()
                | Measure()
                | Note()
                | Attachment()
            ):
                continue  # judged elsewhere, or nothing to judge
            case other:
                assert_never(other)
    for judged, purpose in _checks(step, checks):
        (proofs if purpose in PROVING_PURPOSES else conditions).append(judged)
    return proofs, conditions


def _activity(step: str, activity: Activity, n: int, unproven: bool) -> Judged:
    """An action that failed or hit nothing: the experiment was not carried out, so nothing
    is known.

    A hypothesis probe missed before: the same. Missed while or after: violated, unless a fault of
    the step is `unproven`: such a fault is given up at once, and what comes right after it is
    looked at before it was taken back.
    """
    holds, observed = Holds.MET, str(activity.outcome)
    if activity.outcome != "succeeded":
        holds = Holds.UNKNOWN
        observed = f"{activity.outcome}: {activity.error}" if activity.error else activity.outcome
    elif activity.kind == "action" and activity.hit == 0 and activity.place != "rollback":
        holds, observed = Holds.UNKNOWN, HIT_NOTHING
    elif activity.hit:
        observed = f"hit {activity.hit}"
    if activity.tolerated is False:
        shaky = activity.place == "before" or unproven
        holds = Holds.UNKNOWN if shaky else Holds.VIOLATED
        observed = f"outside its tolerance {activity.error}".rstrip()
    expected = "within its tolerance" if activity.tolerated is not None else "succeeds"
    return Judged(
        about=ActivityOf(step, activity.place, activity.name),
        holds=holds,
        expected=expected,
        observed=observed,
        note="" if activity.undo_guaranteed else "undo not guaranteed",
        records=(n,),
    )


def _checks(step: str, checks: list[tuple[Check, int]]) -> Iterable[tuple[Judged, str]]:
    """The last attempt of each check counts; of `in-effect`, which is read again and again,
    every one.
    """
    by_name: dict[tuple[str, str], list[tuple[Check, int]]] = {}
    for check, n in checks:
        by_name.setdefault((check.purpose, check.name), []).append((check, n))
    for (purpose, name), attempts in by_name.items():
        if purpose != "in-effect":
            check, n = attempts[-1]
            yield _check(CheckOf(step, name), check, n), purpose
            continue
        missed = [(c, n) for c, n in attempts if passes(c) is not True]
        check, n = missed[0] if missed else attempts[-1]
        found = _check(FaultInEffect(step, name), check, n)
        observed = (
            f"{found.observed} ({len(attempts) - len(missed)} of {len(attempts)} readings were "
            "as expected)"
        )
        yield (
            Judged(
                about=found.about,
                holds=Holds.UNKNOWN if missed else Holds.MET,
                expected=found.expected,
                observed=observed,
                note=found.note,
                records=tuple(n for _, n in missed[:20]) or (n,),
            ),
            purpose,
        )


def _check(about: CheckOf | FaultInEffect, check: Check, n: int) -> Judged:
    passed = passes(check)
    if passed is None:
        holds = Holds.UNKNOWN
        observed = (
            f"could not be read: {check.why}"
            if check.found is None
            else f"{check.found!r} cannot be compared"
        )
    else:
        miss = Holds.VIOLATED if check.purpose in PROVING_PURPOSES else Holds.UNKNOWN
        holds, observed = Holds.MET if passed else miss, in_words(check.found)
    note = check.why if check.found is not None else ""
    expected = _OPERATORS[check.op] + in_words(check.expected)
    return Judged(
        about=about, holds=holds, expected=expected, observed=observed, note=note, records=(n,)
    )


def in_words(value: Scalar | None) -> str:
    """A value as people say it: `yes` for True."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def passes(check: Check) -> bool | None:
    """Whether `found OP expected`; None where nothing was found or the two cannot be compared."""
    found, expected = check.found, check.expected
    if found is None:
        return None
    if check.op == "matches":
        try:
            return re.search(str(expected), str(found)) is not None
        except re.error:
            return None
    if isinstance(found, str) != isinstance(expected, str):
        pair = _numbers(found, expected)
        if pair is None:
            return None
        found, expected = pair
    return _compare(check.op, found, expected)


def _compare(op: str, found: Scalar, expected: Scalar) -> bool:
    if op in ("==", "!="):
        return (found == expected) == (op == "==")
    below = found < expected  # type: ignore[operator]  # both text, or both numbers
    if op in ("<", ">="):
        return below == (op == "<")
    above = found > expected  # type: ignore[operator]
    return above == (op == ">")


def _numbers(found: Scalar, expected: Scalar) -> tuple[float, float] | None:
    """Text beside a number: a command's output or a SQL driver's decimal. None where one is
    no number.
    """
    try:
        return float(found), float(expected)
    except ValueError:
        return None


def _comparison(step: str, comparison: Comparison, n: int) -> Judged:
    unexpected = [what for what, _, _ in comparison.differs if what not in comparison.allowed]
    allowed = len(comparison.differs) - len(unexpected)
    expected = f"no {comparison.of} differ" + (
        " but those the drill forces" if comparison.allowed else ""
    )
    holds = Holds.MET if comparison.compared else Holds.UNKNOWN
    if unexpected:
        holds = Holds.VIOLATED
    observed = (
        f"{len(unexpected)} of {comparison.compared:,} differ"
        if comparison.compared
        else "nothing was compared"
    )
    return Judged(
        about=ComparisonOf(step, comparison.of, comparison.subject),
        holds=holds,
        expected=expected,
        observed=f"{observed}: {', '.join(unexpected[:5])}" if unexpected else observed,
        note=f"forced by the drill: {allowed}" if allowed else "",
        records=(n,),
    )


def read_restored_data(step: StepRun) -> bool:
    """Whether a passing check read restored data, or checksums of some were compared and agree."""
    for seen in step.evidence:
        match seen.what:
            case Check(purpose="restored-data") as check if passes(check):
                return True
            case Comparison(of="checksums") as compared if (
                compared.compared and not compared.differs
            ):
                return True
    return False


def is_restore(step: StepRun) -> bool:
    """Whether a step restored something: it says so by an objective, a recovery point or a check of
    restored data.
    """
    objectives = step.declared.objectives if step.declared else None
    if objectives is not None and (objectives.rto is not None or objectives.rpo is not None):
        return True
    return any(
        isinstance(s.what, RecoveryPoint)
        or (isinstance(s.what, Check) and s.what.purpose == "restored-data")
        for s in step.evidence
    )
