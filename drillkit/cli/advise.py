"""`advise`: what is fragile before anything is broken."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.targets import OPTION

if TYPE_CHECKING:
    from drillkit.advise.rule import Advice, Severity
    from drillkit.advise.touched_workloads import Survey
    from drillkit.model.slo import Slo
    from drillkit.spec.roots import Roots

_COLORS: Mapping[Severity, str] = {
    "critical": "red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
}


@click.command()
@OPTION
@click.option("--namespace", "-n", default="", help="Look at this namespace only.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--sarif", "sarif_file", type=click.Path(path_type=Path, dir_okay=False), help="Write SARIF."
)
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low"]),
    help="End with 1 when something as grave as this, or graver, is found.",
)
@click.option("--rules", "list_rules", is_flag=True, help="List the rules; look at nothing.")
def advise(
    target: str | None,
    namespace: str,
    as_json: bool,
    sarif_file: Path | None,
    fail_on: Severity | None,
    list_rules: bool,
) -> int:
    """Tell what is fragile in a cluster, its databases and backups, before anything is broken:
    why it matters, how to mend it, and the drill that would prove it. Reads only.

    Exit codes: 0 looked, 1 something reaches --fail-on, 3 with --fail-on: nothing that was seen
    does, but not everything could be looked at.
    """
    from drillkit.advise.survey import Known, survey
    from drillkit.cli.targets import chosen_target, connected
    from drillkit.spec import find_roots

    if list_rules:
        _rules(as_json)
        return 0
    roots = find_roots()
    chosen = chosen_target(target)
    known = Known(slos=_slos(roots), proven=_proven(roots, chosen.name), rpos=_rpos(roots))
    clients = connected(chosen)
    clients.fence.close("advise only looks")
    try:
        found = survey(clients, known, namespace)
    finally:
        clients.close()
    if sarif_file is not None:
        _write_sarif(found, chosen.name, sarif_file)
    if as_json:
        click.echo(json.dumps(_data(found, chosen.name, namespace), indent=2))
    else:
        _tell(found, chosen.name)
    return _code(found, fail_on)


def _code(found: Survey, fail_on: Severity | None) -> int:
    from drillkit.advise.rule import at_least

    if fail_on is None:
        return 0
    if any(at_least(each.severity, fail_on) for each in found.advice):
        return 1
    return 3 if found.unread else 0


def _slos(roots: Roots) -> tuple[Slo, ...]:
    """The objectives of the project; what ships with drillkit is nobody's promise."""
    from drillkit.spec.openslo import list_slos

    found, wrong = list_slos(_own(roots))
    for error in wrong:
        click.secho(f"cannot be read: {error}", err=True, fg="red")
    return tuple(each.slo for each in found)


def _own(roots: Roots) -> Roots:
    return dataclasses.replace(
        roots, several=tuple(root for root in roots if root.origin != "package")
    )


def _proven(roots: Roots, target: str) -> Mapping[str, str] | None:
    """When each database was restored with proof, by the reports of the project."""
    from datetime import UTC, datetime

    from drillkit.archive.coverage import coverage
    from drillkit.archive.scan import scan
    from drillkit.cli.runs import read_reports

    archive = scan(read_reports(None, roots)).chosen(target=target)
    for text in archive.unread:
        click.secho(f"cannot be read: {text}", err=True, fg="red")
    if archive.unread and not archive.runs:
        return None
    return {
        each.system.lower(): f"{datetime.fromtimestamp(each.proven.started, UTC):%Y-%m-%d}"
        for each in coverage(archive.runs)
        if each.proven is not None
    }


def _rpos(roots: Roots) -> Mapping[str, timedelta]:
    """The strictest RPO that a drill of the project promises for a database."""
    from drillkit.model.errors import DrillError
    from drillkit.spec import list_drills, parse, source_of

    found: dict[str, timedelta] = {}
    for each in list_drills(_own(roots)):
        try:
            drill = parse(source_of(each, roots)).resolve()
        except DrillError:
            continue  # `validate` tells; its promise cannot be read
        for step in drill.every_step:
            source, rpo = step.with_.get("source"), step.objectives.rpo
            if isinstance(source, str) and rpo is not None:
                found[source.lower()] = min(rpo, found.get(source.lower(), rpo))
    return found


def _write_sarif(found: Survey, target: str, file: Path) -> None:
    from drillkit import __version__
    from drillkit.advise.sarif import sarif
    from drillkit.advise.survey import TABLES
    from drillkit.secrets import KNOWN

    log = KNOWN.data(sarif(found, target, TABLES, __version__))
    file.write_text(json.dumps(log, indent=2) + "\n")


def _data(found: Survey, target: str, namespace: str) -> dict[str, object]:
    return {
        "target": target,
        "namespace": namespace,
        "looked": list(found.looked),
        "unread": list(found.unread),
        "advice": [dataclasses.asdict(each) for each in found.advice],
    }


def _tell(found: Survey, target: str) -> None:
    for each in found.advice:
        click.echo("\n".join(_lines(each, target)))
    for said in found.looked:
        click.echo(f"looked at {said}")
    for said in found.unread:
        click.secho(f"not looked at: {said}", fg="yellow")
    counts = Counter(each.severity for each in found.advice)
    tally = ", ".join(f"{counts[name]} {name}" for name in _COLORS if counts[name])
    click.secho(f"{len(found.advice)} findings: {tally}" if tally else "no finding", bold=True)


def _lines(advice: Advice, target: str) -> Iterator[str]:
    from drillkit.advise.rule import told_proof

    head = click.style(f"{advice.severity:8}", fg=_COLORS[advice.severity])
    yield f"{head} {advice.subject}: {advice.what}  [{advice.rule}]"
    yield f"         why    {advice.why}"
    for i, line in enumerate(advice.mend.splitlines()):
        # What spans lines is pasted as it is: a heredoc ends at the beginning of a line.
        yield f"         mend   {line}" if i == 0 else line
    if advice.proves:
        yield f"         prove  {told_proof(advice.proves, target)}"
    yield ""


def _rules(as_json: bool) -> None:
    from drillkit.advise.survey import TABLES

    rows = [
        {"rule": rule.id, "of": table.of, "severity": rule.severity, "what": rule.summary}
        for table in TABLES
        for rule in table.rules
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['rule']:24} {row['severity']:8} {row['of']:21} {row['what']}")
