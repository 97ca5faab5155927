"""The runs of a folder of reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from drillkit.archive import cache
from drillkit.archive.summary import RunSummary, summarize
from drillkit.journal.file import JournalDamaged, read
from drillkit.journal.runs import JOURNAL
from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Archive:
    """All runs of a folder, oldest first."""

    runs: tuple[RunSummary, ...]
    unread: tuple[str, ...] = ()
    """Journals that cannot be read, and why: they may hide anything."""

    def chosen(
        self, *, drill: str = "", target: str = "", since: float = 0.0, until: float = float("inf")
    ) -> Archive:
        """Those of a drill, of a target, that started in `[since, until)`; '' is any."""
        runs = tuple(
            run
            for run in self.runs
            if drill in ("", run.drill)
            and target in ("", run.target)
            and since <= run.started < until
        )
        return Archive(runs, self.unread)


def scan(
    reports: Path,
    progress: Callable[[int], None] = lambda count: None,
    without: Container[str] = (),
) -> Archive:
    """Read all runs of a folder but those `without`, named DRILL/RUN. A journal that was read
    before and has not changed is not judged again; `progress` is told how many were.
    """
    known = cache.load(reports)
    kept: list[tuple[str, cache.Stamp, RunSummary | None]] = []
    unread: list[str] = []
    judged = 0
    for name, journal in journals(reports):
        if name in without:
            continue
        try:
            stamp = cache.stamp_of(journal)
            before = known.get(name)
            if before is not None and before[0] == stamp:
                summary = before[1]
            else:
                summary = summarize(read(journal))
                judged += 1
                progress(judged)
        except (OSError, JournalDamaged) as error:
            unread.append(f"{journal}: {error}")
            continue
        kept.append((name, stamp, summary))
    if judged or len(kept) != len(known):
        cache.save(reports, kept)
    runs = sorted(
        (summary for _, _, summary in kept if summary), key=lambda run: (run.started, run.run)
    )
    return Archive(tuple(runs), tuple(unread))


def journals(reports: Path) -> Iterator[tuple[str, Path]]:
    """(DRILL/RUN, journal) of each run; links such as `latest` are not followed."""
    for drill in _folders(reports):
        for run in _folders(Path(drill.path)):
            journal = Path(run.path) / JOURNAL
            if journal.is_file():
                yield f"{drill.name}/{run.name}", journal


def _folders(place: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            found = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.name)
