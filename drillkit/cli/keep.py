"""`keep`: a restored copy is handed over."""

from __future__ import annotations

import click

from drillkit.cli.options import OUT, Out


@click.command()
@click.argument("run")
@click.argument("resource")
@OUT
def keep(run: str, resource: str, out: Out) -> int:
    """Hand a restored copy over, so that nothing removes it.

    RUN is a run's id, its folder or DRILL/latest; RESOURCE is what the report calls it, such as
    `namespace/dr-20261101-030000-x7k2`, or its name. The run's marks are taken off it, the journal
    says so, and drillkit never touches it again. While the run is at work it is left alone when the
    run cleans up.
    """
    from drillkit.cli.runs import run_folder
    from drillkit.cli.stoppable import stoppable
    from drillkit.runner.keep import keep as keep_it
    from drillkit.runner.run_start import operator

    folder = run_folder(run, out)
    meaning = "it is handed over to the end as long as the target answers"
    afterwards = f"what is not kept yet is by the same command: drillkit keep {run} {resource}"
    with stoppable(meaning, afterwards) as stop:
        kept = keep_it(folder, resource, operator(), stop.clock)
    click.echo(f"{kept.resource}: {'kept' if kept.done else 'will be kept'}; {kept.detail}")
    return 0
