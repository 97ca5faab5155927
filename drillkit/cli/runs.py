"""Where runs are: a folder, or a bucket with its copy on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drillkit.cli.options import Out
    from drillkit.clients.bucket import BucketUrl
    from drillkit.journal.copy import LocalCopy
    from drillkit.spec.files import FoundFile
    from drillkit.spec.roots import Roots

_RUN = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}|latest")


def reports_folder(out: Out, roots: Roots | None = None, found: FoundFile | None = None) -> Path:
    """The folder of `place_of`. Of a bucket: the one of its copy, as it is."""
    place = place_of(out, roots, found)
    if isinstance(place, Path):
        return place
    from drillkit.clients.bucket import copy_of

    return copy_of(place)


def place_of(
    out: Out, roots: Roots | None = None, found: FoundFile | None = None
) -> Path | BucketUrl:
    """`--out`, else what the project that the drill `found` belongs to, or else the one that is
    found from here, says (`reports:`), else `reports/` here.
    """
    from drillkit.spec.project import reports_bucket
    from drillkit.spec.roots import find_roots

    if out is not None:
        return out
    root = found.root if found is not None and found.root.origin == "project" else None
    if root is None:
        root = (roots or find_roots()).project
    if root is None:
        return Path("reports")
    return reports_bucket(root.project) or root.folder / root.project.reports


def read_reports(
    out: Out, roots: Roots | None = None, found: FoundFile | None = None, *, drill: str = ""
) -> Path:
    """`reports_folder`, with all journals that are in the bucket now, or those of one drill. Raises
    CallError, OSError.
    """
    reports = reports_folder(out, roots, found)
    if (copy := copy_at(reports)) is not None:
        copy.fetch_runs(drill)
    return reports


def sealed_reports(out: Out) -> Path:
    """`reports_folder`, with every file that is in the bucket now. Raises CallError, OSError."""
    reports = reports_folder(out)
    if (copy := copy_at(reports)) is not None:
        copy.fetch_all_files()
    return reports


def run_folder(name: str, out: Out) -> Path:
    """The folder of a run, see `find_run`; in a bucket also `s3://.../DRILL/RUN`. Everything of it
    is as it is in the bucket now. Raises UsageError naming what is there, CallError, OSError.
    """
    from drillkit.journal.runs import find_run

    named, place = in_bucket(name, out)
    reports = reports_folder(place)
    copy = copy_at(reports)
    key = copy.find(named) if copy is not None and named else None
    if copy is not None and key is not None:
        copy.fetch_journal(key)
        copy.fetch_chains()
        copy.fetch_files(key)
        named = key.folder.rstrip("/")
    return find_run(named or name, reports)


def in_bucket(name: str, out: Out) -> tuple[str, Out]:
    """(the run, the place) that `s3://BUCKET/PREFIX/DRILL/RUN` names; the run is '' where only a
    place is named. Of any other name: as it is. Raises UsageError.
    """
    if not name.startswith("s3://"):
        return name, out
    from drillkit.clients.bucket import BucketUrl

    url = BucketUrl.parse(name)
    *above, drill, run = ["", "", *url.prefix.split("/")]
    if not _RUN.fullmatch(run):
        return "", url
    text = name.replace(f"/{drill}/{run}", "", 1)
    return f"{drill}/{run}", replace(url, prefix="/".join(above[2:]), text=text)


def copy_at(reports: Path) -> LocalCopy | None:
    """The copy of a bucket that a folder of reports is; None: it is no copy. Raises UsageError."""
    if not (reports / "bucket.json").is_file():
        return None
    from drillkit.clients.bucket import bucket_of
    from drillkit.clock import SystemClock
    from drillkit.journal.copy import LocalCopy

    store = bucket_of(reports)
    return LocalCopy(reports, store, SystemClock()) if store is not None else None


def follow(folder: Path, warn: Callable[[str], None]) -> None:
    """Put the reports and attachments of a run where its journal is. What keeps it from that is
    told, and changes nothing.
    """
    from drillkit.journal.copy import run_key
    from drillkit.model.errors import DrillError

    try:
        if (copy := copy_at(folder.parent.parent)) is not None:
            copy.send_files(run_key(folder))
    except (OSError, DrillError) as error:
        warn(
            f"the reports are not in the bucket: {error}; mend that and run: drillkit report "
            f"{folder}"
        )
