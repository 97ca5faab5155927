"""`controls`: the auditor's matrix."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import now_utc

if TYPE_CHECKING:
    from drillkit.archive.summary import RunSummary
    from drillkit.attest.verify import Checked
    from drillkit.controls.assess import Matrix, Period

_COLORS = {"supported": "green", "partly": "yellow", "not": "red"}


@click.command()
@click.option(
    "--framework",
    "name",
    required=True,
    metavar="NAME|FILE",
    help="soc2, iso27001, nist800-53, hipaa, dora, nis2, pci, gdpr, or a YAML file of yours.",
)
@click.option("--period", required=True, metavar="FROM..TO", help="2026-01-01..2026-12-31.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public key that must have signed a run for it to count.",
)
@click.option(
    "--unsigned", is_flag=True, help="Count runs that nobody signed, too; their seals must hold."
)
@click.option("--html", "as_html", is_flag=True, help="Print a page.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one line per control and need.")
@click.option("--oscal", "as_oscal", is_flag=True, help="Print OSCAL assessment results (JSON).")
@OUT
def controls(
    name: str,
    period: str,
    keys: tuple[Path, ...],
    unsigned: bool,
    as_html: bool,
    as_csv: bool,
    as_oscal: bool,
    out: Out,
) -> int:
    """Which runs support which control of a framework, and what is missing.

    Runs on emulated targets never count, nor do those whose files are not proven to be what they
    were: signed by one of the keys, or, with --unsigned, sealed and unchanged. Ends with 1 when a
    control is not or only partly supported.
    """
    from drillkit.archive.scan import scan
    from drillkit.cli.runs import sealed_reports
    from drillkit.controls.assess import assess
    from drillkit.controls.framework import framework
    from drillkit.model.errors import UsageError

    if not keys and not unsigned:
        raise UsageError("whose signature counts? Give --key PUBLIC_KEY, or --unsigned")
    if sum((as_html, as_csv, as_oscal)) > 1:
        raise UsageError("--html, --csv and --oscal are different answers: choose one")
    chosen = framework(name)
    reports = sealed_reports(out)
    archive = scan(reports)
    look = _look(reports, keys)
    matrix = assess(
        chosen,
        archive.runs,
        _period(period),
        lambda run: _unproven(look(run)),
        lambda run: _accepted(look(run)),
    )
    if as_html:
        from drillkit.report.controls_page import controls_page

        click.echo(controls_page(matrix), nl=False)
    elif as_oscal:
        from drillkit.controls.oscal import assessment_results

        click.echo(assessment_results(matrix, now_utc()), nl=False)
    elif as_csv:
        _print_csv(matrix)
    else:
        _print(matrix)
    return 0 if all(each.shown == "supported" for each in matrix.controls) else 1


def _look(reports: Path, keys: tuple[Path, ...]) -> Callable[[RunSummary], Checked]:
    """What comes of looking at a run's files, its signature and its reviews; once for each."""
    from drillkit.attest.keys import public_key
    from drillkit.attest.verify import verify_run

    pinned = [public_key(path) for path in keys]
    known: dict[str, Checked] = {}

    def look(run: RunSummary) -> Checked:
        name = f"{run.drill}/{run.run}"
        if name not in known:
            known[name] = verify_run(reports / name, pinned)
        return known[name]

    return look


def _unproven(checked: Checked) -> str:
    """Why a run's files are not proven."""
    problems = checked.problems
    return f"its files are not proven: {problems[0].what}" if problems else ""


def _accepted(checked: Checked) -> bool:
    """Whether the last review of a run, which corrects those before it, accepts it."""
    return bool(checked.reviews) and checked.reviews[-1][1].accepted


def _period(text: str) -> Period:
    from datetime import timedelta

    from drillkit.controls.assess import Period

    first, dots, last = text.partition("..")
    try:
        begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
        end = datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"expected two dates such as 2026-01-01..2026-12-31, found `{text}`",
            param_hint="--period",
        ) from error
    if not dots or end <= begin:
        raise click.BadParameter(f"`{text}` ends before it begins", param_hint="--period")
    return Period(begin.timestamp(), end.timestamp())


def _print_csv(matrix: Matrix) -> None:
    rows = csv.writer(sys.stdout)
    rows.writerow(("framework", "control", "asks", "control_shown", "need", "shown", "why", "runs"))
    for each in matrix.controls:
        for need in each.needs:
            head = (matrix.framework.name, each.control.id, each.control.asks, each.shown)
            rows.writerow((*head, need.need, need.shown, need.why, " ".join(need.runs)))


def _print(matrix: Matrix) -> None:
    from drillkit.model.units import how_many

    click.secho(matrix.framework.title, bold=True)
    for each in matrix.controls:
        click.secho(f"\n{each.shown:9}", fg=_COLORS[each.shown], nl=False)
        click.echo(f"  {each.control.id}  {each.control.asks}")
        for need in each.needs:
            click.secho(f"  {need.shown:9}", fg=_COLORS[need.shown], nl=False)
            click.echo(f"  {need.need}: {need.why}")
    click.echo(f"\n{how_many(len(matrix.counted), 'run counts', 'runs count')}")
    for excluded in matrix.excluded:
        click.echo(f"  not counted: {excluded.run.run} ({excluded.run.drill}): {excluded.why}")
    click.echo("Runs support controls; nothing here states compliance.")
