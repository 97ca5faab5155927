"""The verdict as JUnit XML, which pipelines read: one test case for each judged thing.

Violated is a failure, unknown an error (nobody knows). Of a refused drill, why it was refused is an
error, so that no pipeline takes it for passed; what it did not do is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from drillkit.judge.wording import title
from drillkit.model.records import WeaknessesFound
from drillkit.model.subjects import (
    BoundOf,
    GateOf,
    GuardOf,
    StepEnd,
    Subject,
    UndoOf,
    WholeRun,
    step_of,
)
from drillkit.model.verdict import Finding, Holds, Judged, StepVerdict, Verdict
from drillkit.report.report_model import Story
from drillkit.report.rows import is_bound_of_step

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def junit(story: Story, verdict: Verdict) -> str:
    """`junit.xml`."""
    cases = _cases(verdict)
    kinds = [next(iter(case), None) for case in cases]
    tags = [kind.tag if kind is not None else "" for kind in kinds]
    counts = {
        "tests": len(cases),
        "failures": tags.count("failure"),
        "errors": tags.count("error"),
        "skipped": tags.count("skipped"),
    }
    numbers = {key: str(value) for key, value in counts.items()}
    time = f"{story.length_s:.3f}"
    root = Element("testsuites", {"name": "drillkit", **numbers, "time": time})
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": _clean(verdict.drill or "drill"),
            **numbers,
            "time": time,
            "timestamp": _timestamp(story.begin_at),
            "hostname": _clean(story.facts.host),
        },
    )
    properties = SubElement(suite, "properties")
    for name, value in (
        ("run", verdict.run),
        ("target", verdict.target),
        ("holds", str(verdict.holds)),
        ("exit_code", str(verdict.exit_code)),
        ("headline", verdict.headline),
        ("owner", story.facts.owner),
    ):
        SubElement(properties, "property", {"name": name, "value": _clean(value)})
    suite.extend(cases)
    lines = _fragile(story.weak or WeaknessesFound())
    if told := "\n".join(" ".join(line.split()) for line in lines):
        SubElement(suite, "system-out").text = _clean(told)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _fragile(weak: WeaknessesFound) -> Iterator[str]:
    """What was fragile, as the output of the suite: nothing of it fails."""
    for each in weak.found:
        yield f"fragile before anything was broken ({each.severity}): {each.subject}: {each.what}"
    if weak.more:
        yield f"{weak.more} more weaknesses: drillkit advise"
    yield from (f"weaknesses not looked at: {text}" for text in weak.unread)


def _timestamp(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00"


def _cases(verdict: Verdict) -> list[Element]:
    """Gates, guards, bounds, what each step was judged by, every effect's undo, and what else
    was found.
    """
    cases: list[Element] = []
    told: set[Subject] = set()
    refused = bool(verdict.refused)
    for judged in (*verdict.gates, *verdict.bounds):
        if not is_bound_of_step(judged.about):
            cases.append(_case(verdict, judged, refused=refused))
            told.add(judged.about)
    for step in verdict.steps:
        took_s = (
            step.ended - step.started
            if step.ended is not None and step.started is not None
            else None
        )
        for judged in step.judged or (_bare(step),):
            alone = (
                took_s
                if judged.about
                in (StepEnd(step.name), step.judged[0].about if step.judged else None)
                else None
            )
            cases.append(_case(verdict, judged, refused=refused, took_s=alone))
            told.add(judged.about)
    for undo in verdict.undos:
        if undo.phase != "irreversible":
            case = Element(
                "testcase",
                {"classname": _clean(f"{verdict.drill}.cleanup"), "name": _clean(undo.resource)},
            )
            if undo.outcome == "open":
                _say(case, "error", "its undo is open", undo.detail)
            cases.append(case)
            told.add(UndoOf(undo.resource))
    cases += [
        _case(verdict, finding, refused=refused)
        for finding in verdict.findings
        if finding.about not in told and finding.about != WholeRun("action-item")
    ]
    return cases or [Element("testcase", {"classname": _clean(verdict.drill), "name": "drill"})]


def _bare(step: StepVerdict) -> Judged:
    """A step of which nothing but its end is known."""
    return Judged(
        about=StepEnd(step.name),
        holds=step.holds,
        expected="ok",
        observed=step.why or step.outcome,
    )


def _case(
    verdict: Verdict, judged: Judged | Finding, *, refused: bool, took_s: float | None = None
) -> Element:
    name = title(judged.about, step=step_of(judged.about))
    owner = _class(judged.about)
    case = Element(
        "testcase", {"classname": _clean(f"{verdict.drill}.{owner}"), "name": _clean(name)}
    )
    if took_s is not None:
        case.set("time", f"{took_s:.3f}")
    if judged.holds is Holds.MET:
        return case
    beside = (
        "; ".join(p for p in (judged.note, judged.doubt) if p)
        if isinstance(judged, Judged)
        else judged.advice
    )
    message = f"expected {judged.expected}, observed {judged.observed}"
    kind = "failure" if judged.holds is Holds.VIOLATED else "error"
    if refused:
        is_why = isinstance(judged.about, GuardOf | GateOf | UndoOf | WholeRun)
        kind = "error" if is_why else "skipped"
    _say(case, kind, message, beside)
    return case


def _class(about: Subject) -> str:
    """What cases are grouped by."""
    if step := step_of(about):
        return f"step.{step}"
    match about:
        case GuardOf():
            return "guard"
        case GateOf(place=place):
            return place
        case BoundOf():
            return "during"
        case UndoOf():
            return "cleanup"
        case WholeRun(part="abort" | "journal" as part):
            return part
        case WholeRun(part="declared" | "steps"):
            return "drill"
        case _:
            return "run"


def _say(case: Element, kind: str, message: str, text: str) -> None:
    attributes = (
        {"message": _clean(message)}
        if kind == "skipped"
        else {"message": _clean(message), "type": kind}
    )
    SubElement(case, kind, attributes).text = _clean(text) or None


def _clean(text: object) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text))
