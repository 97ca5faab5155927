"""`metrics` and `dashboards`: what the runs came to, for Prometheus and Grafana."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import now_utc

DASHBOARDS = {"rules": "rules.yaml", "grafana": "grafana.json"}
_READ_BY_ALL = 0o644
"""node_exporter runs as somebody else, and nothing in it is secret."""


@click.command()
@OUT
@click.option(
    "--write",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Put them into this file as a whole, such as .../textfile_collector/drillkit.prom.",
)
def metrics(out: Out, file: Path | None) -> int:
    """Verdicts, RTO, RPO, outages and what is due, as Prometheus reads them.

    Of each drill and target the newest run; none on a sandbox. Call it after each run and once a
    day. Ends with 2 when a journal or a drill cannot be read: what is written lacks it.
    """
    from drillkit import __version__
    from drillkit.archive.metrics import NextDue, exposition
    from drillkit.archive.scan import scan
    from drillkit.cli.due import rehearsals
    from drillkit.cli.runs import read_reports
    from drillkit.journal.files import write_file
    from drillkit.journal.runs import open_runs
    from drillkit.spec import find_roots

    roots = find_roots()
    archive = scan(read_reports(out, roots))
    rows, unread = rehearsals(roots, archive.runs, now_utc())
    due = [NextDue(r.drill, r.target, r.next.timestamp() if r.next else None) for r in rows]
    waiting = Counter(run.target for run in open_runs())
    text = exposition(archive.runs, due, waiting, __version__)
    if file is None:
        click.echo(text, nl=False)
    else:
        write_file(file, text.encode(), mode=_READ_BY_ALL)
    wrong = [*(f"cannot be read: {each}" for each in archive.unread), *unread]
    for each in wrong:
        click.secho(each, err=True, fg="red")
    return 2 if wrong else 0


@click.command()
@click.argument("what", type=click.Choice([*DASHBOARDS]))
def dashboards(what: str) -> None:
    """Print a dashboard for Grafana, or alerting rules for Prometheus, over `drillkit metrics`."""
    from importlib.resources import files

    text = (files("drillkit") / "dashboards" / DASHBOARDS[what]).read_text(encoding="utf-8")
    click.echo(text, nl=False)
