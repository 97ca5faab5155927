"""`settle`: something that its undo cannot undo was undone by hand."""

from __future__ import annotations

import click

from drillkit.cli.options import OUT, Out


@click.command()
@click.argument("run")
@click.argument("resource")
@click.option("--why", required=True, metavar="TEXT", help="What was done, for the report.")
@OUT
def settle(run: str, resource: str, why: str, out: Out) -> int:
    """Say that you have undone RESOURCE of RUN by hand, where its own undo cannot.

    RESOURCE is what the report calls it, such as `command/infrastructure`, or its name; `journal`
    for all that a lost or damaged journal cannot tell. The journal keeps who said so and why; the
    verdict of such a run is never `met`. Ends with 5 while something else is open.
    """
    from drillkit.cli.recover import asked_run, judge_again
    from drillkit.clock import SystemClock
    from drillkit.model.errors import UsageError
    from drillkit.runner.run_start import operator
    from drillkit.runner.settle import settle as settle_it

    found = asked_run(run, out)
    try:
        done = settle_it(found, resource, operator(), why, SystemClock())
    except OSError as error:
        raise UsageError(f"{error.filename or found.folder}: {error.strerror}") from error
    click.echo(f"{done.what}: settled by {operator()}: {why}")
    for each in done.left:
        click.secho(f"  left: {each}", fg="red")
    if done.closed:
        click.echo(f"run {found.id} is open no more")
    judge_again(found)
    return 5 if done.left or not done.closed else 0
