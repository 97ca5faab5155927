"""Does a check read what was restored? One that passes whatever stands in the copy proves nothing
about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from drillkit.checks.context import Copy
from drillkit.checks.expectation import parse_expectation
from drillkit.clients.programs import reads_nothing
from drillkit.clients.queries import LITERAL, reads_a_table
from drillkit.judge.evidence import passes
from drillkit.model.drill import StepCheck
from drillkit.model.evidence import Check

SCRIPT_READ = 65_536
"""Bytes of a script that are looked through for what names the copy."""
HANDED_OVER = "DRILLKIT_"
"""Begin of the variables that tell a command where the copy is."""
_COUNT = re.compile(r"\s*select\s+count\s*\(", re.IGNORECASE)
_FEWER = re.compile(r"\b(?:where|having|join)\b", re.IGNORECASE)
"""What makes a count one of some rows: none of these may be what is wanted."""
_NO_ROW = re.compile(r"\bwhere\s+(?:false|1\s*=\s*0)\b|\blimit\s+0\b", re.IGNORECASE)


def untouched(check: StepCheck, copy: Copy) -> str:
    """Why a check that passes says nothing about restored data, or ''."""
    if check.sql is not None:
        return _of_sql(check.sql, check.expect)
    if check.rows and check.expect is not None and _always(check.expect):
        return f"every number of rows is `{check.expect}`"
    if check.http is not None:
        return _of_http(check, copy)
    if check.command is not None:
        return _of_command(check.command, copy)
    return ""


def empty_handed(check: StepCheck, found: object) -> str:
    """Why a count that passes has read no row, or ''."""
    query = LITERAL.sub(" ", check.sql or "")
    counts_all = check.rows or (_COUNT.match(query) is not None and not _FEWER.search(query))
    if found == 0 and counts_all and check.expect is not None and empty_passes(check.expect):
        return f"it read no row: an empty table is `{check.expect}`, too"
    return ""


def _of_sql(query: str, expect: str | None) -> str:
    if not reads_a_table(query):
        return "its query reads no table"
    if _NO_ROW.search(LITERAL.sub(" ", query)):
        return "its query selects no row"
    if expect is None:
        return ""
    counts = _COUNT.match(query) is not None
    if _always(expect) and (counts or parse_expectation(expect).op == "matches"):
        return f"every answer is `{expect}`"
    return ""


def empty_passes(expect: str) -> bool:
    """Whether the count of an empty table is as expected."""
    wanted = parse_expectation(expect)
    return (
        _always(expect)
        or passes(Check("rows", "restored-data", wanted.value, wanted.op, 0)) is True
    )


def _always(expect: str) -> bool:
    """Whether no count misses an expectation."""
    wanted = parse_expectation(expect)
    if wanted.op == "matches":
        return re.search(str(wanted.value), "0") is not None and bool(
            re.search(str(wanted.value), "")
        )
    if not isinstance(wanted.value, int | float):
        return wanted.op == "!="
    least = {">=": 0.0, ">": -1e-9, "!=": -1e-9}.get(wanted.op)
    return least is not None and wanted.value <= least


def _of_http(check: StepCheck, copy: Copy) -> str:
    if not isinstance(check.http, str) or not copy.beside:
        return ""
    host = urlsplit(check.http).hostname or ""
    if any(name in check.http or name == host for name in _names(copy)):
        return ""
    return f"{host} is not {copy.name}: it answers whatever was restored"


def _of_command(command: tuple[str, ...], copy: Copy) -> str:
    if reads_nothing(command):
        return f"`{command[0]}` reads nothing"
    if not copy.beside:
        return ""
    texts = [*command, *_scripts(command)]
    if any(HANDED_OVER in text or name in text for text in texts for name in _names(copy)):
        return ""
    return (
        f"`{command[0]}` is not told where the copy is: use $DRILLKIT_RESTORED, $DRILLKIT_HOST, "
        "$DRILLKIT_PORT or $DRILLKIT_DATABASE in its arguments or in its script"
    )


def _names(copy: Copy) -> Iterator[str]:
    """What a URL or a command may call the copy."""
    yield copy.name
    for part in re.split(r"[\s,/]+", copy.name):
        if len(part) > 7 and re.search(r"\d", part):  # made by the run: dr-20260101-..., no kind
            yield part
    if copy.database is not None and not copy.database.host.startswith("127."):
        yield copy.database.host
    if copy.database is not None:
        yield f"{copy.database.host}:{copy.database.port}"


def _scripts(command: tuple[str, ...]) -> Iterator[str]:
    for word in command:
        try:
            with open(Path(word).expanduser(), "rb") as file:
                yield file.read(SCRIPT_READ).decode(errors="replace")
        except (OSError, ValueError):
            continue
