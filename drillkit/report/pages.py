"""The pages: templates filled with a story and a verdict. Every text is escaped, in SVG and
Markdown too.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from drillkit import __version__
from drillkit.advise.rule import told_proof
from drillkit.journal.runs import home
from drillkit.judge.wording import causes, number, title
from drillkit.model.evidence import (
    Alert,
    Attachment,
    Comparison,
    Measure,
    Note,
    Reading,
    RecoveryPoint,
)
from drillkit.model.records import Weakness, WeaknessesFound
from drillkit.model.subjects import GateOf, GuardOf, Subject, WholeRun
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Outage, SliSummary, StepVerdict, Verdict
from drillkit.model.yaml_text import dump_yaml
from drillkit.report.charts import timeline
from drillkit.report.report_model import Story
from drillkit.report.rows import is_bound_of_step, row_of, step_pages
from drillkit.report.scoreboard import Figure, effect_groups, made_and_gone
from drillkit.report.timeline import bracket, shortened

MOMENTS = {"html": 80, "md": 40}
"""Moments of a page at most; the journal has them all."""
OUTAGES = 20
"""Outages of one probe in a table, the longest ones."""
WEAKNESSES = 8
"""Weaknesses of a page at most, the gravest; the journal has the others."""
FOREVER_S = 1e10
"""No run lasts three hundred years; a journal that says so is damaged."""
SECTIONS = {
    "when": "What happened when",
    "steady": "Steady state",
    "steps": "Steps",
    "users": "What users felt",
    "people": "Who took part, and what they decided",
    "told": "Who was told",
    "effects": "What was done and undone",
    "observed": "What else was observed",
    "audit": "What auditors ask",
    "attachments": "Attachments",
    "source": "The run, and where this comes from",
}
"""Everything below the first page: where each section is, and its heading."""
SIGNS = {Holds.MET: "✓", Holds.UNKNOWN: "?", Holds.VIOLATED: "✗"}
_TICKS = re.compile(r"`([^`\n]+)`")
_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"""[*\[\]|]|\\(?=[!-/:-@\[-`{-~]|$)""")
"""What Markdown would take for its own; a backslash only where it would escape what follows."""
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
"""Literal in code of Markdown; not everything that shows Markdown knows that."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, turns text round, or cannot be written at all."""
_COMMANDS = ("kubectl ", "cmctl ", "aws ")
_UNIT = re.compile(r"(?<=\d) (?=(?:s|ms|min|h|d|%)\b|%)")
_NBSP = "\N{NO-BREAK SPACE}"


class MarkdownText(str):
    """Text that is Markdown already."""

    __slots__ = ()


def _duration(seconds: float) -> str:
    return format_duration(round(seconds, 3)) if abs(seconds) < FOREVER_S else "?"


def _latency(seconds: float | None) -> str:
    """Milliseconds, with a decimal below ten."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def _url(name: str) -> MarkdownText:
    """The name of a file as a link to it."""
    return MarkdownText(quote(name, safe="", errors="replace"))


def _moment(at: datetime) -> str:
    """A date of another system, UTC to the second; as it is where it has no zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at.tzinfo else f"{at:%Y-%m-%d %H:%M:%S}"


def _offset(seconds: float) -> str:
    """`+0:02.2`, `+1:02:03`: since the run began."""
    if not abs(seconds) < FOREVER_S:
        return "+?"
    sign = "-" if seconds < 0 else "+"
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes < 60:
        return f"{sign}{minutes}:{rest / 10:04.1f}"
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}"


def _records(numbers: Iterable[int]) -> str:
    found = list(numbers)
    if not found:
        return ""
    shown = ", ".join(map(str, found[:4]))
    return f"journal {shown}" + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def _prose(text: object) -> Markup:
    """Escaped text with `code` as code, and numbers kept with their units."""
    safe = _TICKS.sub(r"<code>\1</code>", str(escape(str(text))))
    return Markup(_UNIT.sub(_NBSP, safe))  # escaped above


def _markdown_text(value: object) -> object:
    """Text as Markdown shows it to the letter: no HTML, no links, no table ends. What stands in
    ticks stays code, in which a backslash escapes nothing. Blanks at an end stay: they part it from
    what stands beside it.
    """
    if isinstance(value, MarkdownText | int | float):
        return value
    text = _BLANKS.sub(" ", str(value))
    return "".join(
        _code(part) if i % 2 else _plain_markdown(part) for i, part in enumerate(_TICKS.split(text))
    )


def markdown_text(text: str) -> str:
    """Text as Markdown shows it to the letter, on one line."""
    return str(_markdown_text(text))


def _plain_markdown(text: str) -> str:
    text = _MARKS.sub(r"\\\g<0>", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(value: object) -> MarkdownText:
    """A code span, whatever is in it."""
    text = " ".join(_TAG.sub("&lt;", str(value)).replace("|", "\\|").replace("`", "'").split())
    return MarkdownText(f"`{text}`") if text else MarkdownText("")


def _fenced(value: object) -> MarkdownText:
    """A code block's inside: it may not end the block, nor begin HTML."""
    return MarkdownText(_TAG.sub("&lt;", str(value)).replace("```", "'''"))


def _pasted(value: object) -> MarkdownText:
    """What to do, in an item of a list: commands as code that can be pasted, sentences as text."""
    text = str(value)
    if "\n" in text:
        lines = "".join(f"\n   {line}" for line in _fenced(text).splitlines())
        return MarkdownText(f"\n\n   ```sh{lines}\n   ```\n")
    return _code(text) if text.startswith(_COMMANDS) else MarkdownText(_markdown_text(text))


def _proof(weakness: Weakness, target: str) -> str:
    """The command whose drill would prove it."""
    return told_proof(weakness.proves, target)


def _table(columns: Iterable[str]) -> MarkdownText:
    """The head of a table in Markdown."""
    names = list(columns)
    return MarkdownText(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")


def _yaml(value: Mapping[str, Any]) -> str:
    try:
        return dump_yaml(dict(value), width=110).rstrip()
    except yaml.YAMLError:
        return repr(value)


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates in drillkit's state; where nothing can be kept, each process compiles."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    """Kept where runs have left state already; whoever only reads makes none.

    What is in the folder is executed: nobody but its owner writes or reads it. What the filters
    make of constants is compiled, too: it holds for one state of this module.
    """
    folder = home() / "compiled"
    try:
        state = f"{__version__}-{Path(__file__).stat().st_mtime_ns}"
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    except OSError:
        return None
    return _Compiled(str(folder), f"{state}-%s")


@functools.cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        bytecode_cache=_compiled(),
        loader=PackageLoader("drillkit.report"),
        autoescape=html,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=None if html else _markdown_text,
    )
    environment.globals["table"] = _table
    environment.globals["ACTION_ITEM"] = WholeRun("action-item")
    environment.filters.update(
        latency=_latency,
        duration=_duration,
        offset=_offset,
        causes=causes,
        records=_records,
        prose=_prose,
        thousands=lambda n: f"{n:,}",
        code=_code,
        fenced=_fenced,
        pasted=_pasted,
        proof=_proof,
        bracket=bracket,
        number=number,
        moment=_moment,
        url=_url,
        title=title,
        yaml=_yaml,
        sign=lambda holds: SIGNS[holds],
        figures=_figures,
        gone=made_and_gone,
        links=_links,
        html=lambda text: MarkdownText(escape(text)),
    )
    return environment


def _outages(sli: SliSummary) -> tuple[list[Outage], int]:
    """The longest ones in order of time, and how many are left out."""
    longest = sorted(sli.outages, key=lambda o: -o.most_s)[:OUTAGES]
    return sorted(longest, key=lambda o: o.first_bad), sli.outage_count - len(longest)


def _names(
    story: Story, verdict: Verdict, last_hash: str, exit_text: str, kind: str
) -> dict[str, Any]:
    shown, more = shortened(story.moments, MOMENTS[kind])
    names = {
        "v": verdict,
        "s": story,
        "f": story.facts,
        **_fragile(story),
        "last_hash": last_hash,
        "exit_text": exit_text,
        "moments": shown,
        "more_moments": more,
        "steady": _steady(verdict),
        "steps": step_pages(story, verdict.steps),
        "outages": [(s.sli, *_outages(s)) for s in verdict.slis if s.phase == "all" and s.outages],
        "effects": effect_groups(verdict.undos),
        "left": [undo for undo in verdict.undos if undo.outcome == "open"],
        "measures": story.of(Measure),
        "points": story.of(RecoveryPoint),
        "comparisons": story.of(Comparison),
        "alerts": story.of(Alert),
        "notes": _notes(story),
        "readings": _readings(story),
        "attachments": story.of(Attachment),
    }
    return {**names, "contents": _contents(names)}


def _fragile(story: Story) -> Mapping[str, Any]:
    weak = story.weak or WeaknessesFound()
    return {
        "weak": weak.found[:WEAKNESSES],
        "more_weak": len(weak.found[WEAKNESSES:]) + weak.more,
        "not_looked_at": weak.unread,
    }


def _contents(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Sections below the first page: where each is, and its heading."""
    observed = ("measures", "points", "comparisons", "alerts", "readings", "notes")
    there = {
        "steady": bool(names["steady"]),
        "people": names["s"].people.any,
        "told": bool(names["s"].told),
        "observed": any(names[each] for each in observed),
        "attachments": bool(names["attachments"]),
    }
    return [(place, heading) for place, heading in SECTIONS.items() if there.get(place, True)]


def _links(contents: Iterable[tuple[str, str]]) -> MarkdownText:
    """Links to headings, by the anchors that shows of Markdown make of them."""
    found = []
    for _, heading in contents:
        anchor = heading.lower().replace(" ", "-").replace(",", "")
        found.append(f"[{heading}](#{anchor})")
    return MarkdownText(" · ".join(found))


def _figures(several: Iterable[Figure], of: str) -> str:
    """`met: 2.4 s of 2 min (how)`; several, one behind the other."""
    said = []
    for each in several:
        text = f"{each.step}: " if each.step else ""
        text += f"{each.holds}: " if each.holds else ""
        text += each.value + (f"{of} {each.objective}" if each.objective else "")
        said.append(text + (f" ({each.how})" if each.how else ""))
    return "; ".join(said) or "-"


def _steady(verdict: Verdict) -> list[Any]:
    """Guards, gates and bounds in the order of a run."""
    everything = sorted((*verdict.gates, *verdict.bounds), key=lambda j: _rank(j.about))
    return [row_of(judged) for judged in everything if not is_bound_of_step(judged.about)]


def _rank(about: Subject) -> int:
    """Where in a run something is decided."""
    match about:
        case GuardOf():
            return 0
        case GateOf(place="after", step=""):
            return 5
        case GateOf(step=step, place=place):
            if step:
                return 4
            return 1 if place == "before" else 2
        case _:
            return 3


def _notes(story: Story) -> list[tuple[str, Note, date | None]]:
    return [(step, note, note.due) for step, note in story.of(Note)]


def _readings(story: Story) -> list[tuple[Reading, int]]:
    """The last reading of each SLI and place, with how many there were."""
    last: dict[tuple[str, str], tuple[Reading, int]] = {}
    for _, reading in story.of(Reading):
        _, count = last.get((reading.sli, reading.place), (reading, 0))
        last[reading.sli, reading.place] = (reading, count + 1)
    return list(last.values())


def markdown(story: Story, verdict: Verdict, last_hash: str, exit_text: str) -> str:
    """`report.md`."""
    names = _names(story, verdict, last_hash, exit_text, "md")
    return _tidy(_environment(html=False).get_template("report.md.j2").render(names))


def postmortem(story: Story, verdict: Verdict) -> str:
    """The draft of a post-mortem, as Markdown: what the journal knows, and what people must add."""
    shown, more = shortened(story.moments, MOMENTS["md"])
    judged = dict.fromkeys(
        (*verdict.gates, *verdict.bounds, *(j for step in verdict.steps for j in step.judged))
    )
    during = [sli for sli in verdict.slis if sli.phase == "during" and not sli.control]
    names = {
        "v": verdict,
        "s": story,
        "f": story.facts,
        **_fragile(story),
        "moments": shown,
        "more_moments": more,
        "lost": [sli for sli in during if sum(sli.bad.values())],
        "timed": [step for step in verdict.steps if _is_timed(step)],
        "good": [each for each in judged if each.holds is Holds.MET],
        "bad": [each for each in judged if each.holds is Holds.VIOLATED],
        "unknown": [each for each in judged if each.holds is Holds.UNKNOWN],
    }
    return _tidy(_environment(html=False).get_template("postmortem.md.j2").render(names))


def _is_timed(step: StepVerdict) -> bool:
    recovered = (step.rto_s, step.rpo_s, step.recovery_s)
    times = (*recovered, step.detect_s, step.acknowledge_s, step.mitigate_s)
    return any(each is not None for each in times)


def _tidy(text: str) -> str:
    """Without trailing spaces, double empty lines and control characters."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1].strip()):  # never two empty lines
            lines.append(line.rstrip())
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", "\n".join(lines).strip() + "\n")


def html(story: Story, verdict: Verdict, last_hash: str, exit_text: str) -> str:
    """`report.html`: one file that needs no other."""
    names = {
        **_names(story, verdict, last_hash, exit_text, "html"),
        "timeline": Markup(timeline(story)),
    }
    text = _environment(html=True).get_template("report.html.j2").render(names)
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
