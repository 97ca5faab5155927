"""Renders a verdict from a journal: Markdown, HTML, JSON. Offline, on any machine, years later."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from drillkit.journal.file import read
from drillkit.journal.runs import JOURNAL
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


def write_reports(folder: Path) -> tuple[Verdict, tuple[Path, ...]]:
    """Judge the journal in `folder` and write `verdict.json`, `report.md` and `report.html` beside it.

    Raises OSError, JournalDamaged; UsageError for a journal without a first record.
    """
    journal = folder / JOURNAL
    history = read(journal)
    if not history:
        raise UsageError(f"{journal} has no record: the run ended before it began, so it touched nothing")
    verdict = judge(history)
    last_hash = hashlib.sha256(journal.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]).hexdigest()
    texts = render(history, verdict, last_hash)
    paths = []
    for name, text in texts.items():
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_text(text, encoding="utf-8")
        draft.rename(folder / name)
        paths.append(folder / name)
    return verdict, tuple(paths)


def render(history: History, verdict: Verdict, last_hash: str) -> dict[str, str]:
    """The files of a report by name."""
    from drillkit.report.pages import html, markdown
    from drillkit.report.story import tell

    story = tell(history, verdict)
    return {
        "verdict.json": json.dumps(to_data(verdict), indent=2, ensure_ascii=False) + "\n",
        "report.md": markdown(story, verdict, history, last_hash),
        "report.html": html(story, verdict, history, last_hash),
    }
