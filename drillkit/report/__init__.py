"""Renders a verdict from a journal: Markdown, HTML, JSON, JUnit XML. Offline, on any machine,
years later.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from drillkit.journal.file import read
from drillkit.journal.files import read_file, write_file
from drillkit.journal.runs import JOURNAL, point_latest
from drillkit.judge import judge
from drillkit.model.codec import to_data
from drillkit.model.errors import UsageError
from drillkit.model.records import History
from drillkit.model.verdict import Verdict

EXIT_TEXT = {
    0: "met",
    1: "violated: a weakness was found",
    2: "invalid usage or drill",
    3: "unknown: not proven",
    4: "refused: nothing was touched",
    5: "dirty: something is left, run `drillkit recover`",
}


def write_reports(folder: Path) -> tuple[Verdict, tuple[Path, ...], History]:
    """Judge the journal in `folder` and write `verdict.json`, `report.md`, `report.html` and
    `junit.xml` beside it: the verdict, these files, and what the journal holds.

    In a folder of reports, DRILL/latest leads to the newest run from then on.
    Raises OSError, JournalDamaged; UsageError for a journal without a first record.
    """
    journal = folder / JOURNAL
    history = read(journal)
    if not history:
        raise UsageError(
            f"{journal} has no record: the run ended before it began, so it touched nothing"
        )
    verdict = judge(history)
    texts = render(history, verdict, _last_hash(journal))
    paths = []
    for name, text in texts.items():
        # A lone surrogate is no UTF-8; written like this it is JSON all the same.
        write_file(folder / name, text.encode(errors="backslashreplace"))
        paths.append(folder / name)
    if folder.resolve().name == verdict.run and folder.resolve().parent.name == verdict.drill:
        point_latest(folder.resolve())
    return verdict, tuple(paths), history


def page_of(folder: Path) -> str:
    """The text of `report.html`, made from the journal in `folder`, which has a record at least."""
    history = read(folder / JOURNAL)
    return render(history, judge(history), _last_hash(folder / JOURNAL))["report.html"]


def _last_hash(journal: Path) -> str:
    """Hash of the last whole line; a torn one behind it was never acknowledged."""
    whole = read_file(journal).rpartition(b"\n")[0]
    return hashlib.sha256(whole.rpartition(b"\n")[2]).hexdigest()


def render(history: History, verdict: Verdict, last_hash: str) -> dict[str, str]:
    """The files of a report by name. `history` has at least one record."""
    from drillkit.report.junit import junit
    from drillkit.report.pages import html, markdown
    from drillkit.report.report_model import tell

    story, exit_text = tell(history, verdict), EXIT_TEXT[verdict.exit_code]
    return {
        "verdict.json": json.dumps(to_data(verdict), indent=2, ensure_ascii=False) + "\n",
        "report.md": markdown(story, verdict, last_hash, exit_text),
        "report.html": html(story, verdict, last_hash, exit_text),
        "junit.xml": junit(story, verdict),
    }
