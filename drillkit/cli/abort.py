"""`abort`: a running drill is asked to stop."""

from __future__ import annotations

from pathlib import Path

import click

from drillkit.cli.options import OUT, Out


@click.command()
@click.argument("run", required=False)
@click.option("--why", default="no reason given", help="What the report says of it.")
@OUT
def abort(run: str | None, why: str, out: Out) -> int:
    """Stop a running drill. It undoes everything and reports; nothing is killed.

    Without RUN: the one that is running, if there is just one.
    """
    from drillkit.runner.abort import ask_to_abort, is_cleaning
    from drillkit.runner.run_start import operator

    folder = running(run, out)
    if is_cleaning(folder):
        click.echo(
            f"{folder.name} is cleaning up already; there is nothing more to stop. It writes its "
            f"report in {folder}. Ctrl-C at its terminal leaves what is not removed yet to "
            "`drillkit recover`"
        )
        return 0
    ask_to_abort(folder, operator(), why)
    click.echo(f"asked {folder.name} to stop; it cleans up and writes its report in {folder}")
    return 0


def running(run: str | None, out: Out) -> Path:
    """The folder of a running drill; without a name, of the only one. Raises UsageError."""
    from drillkit.cli.runs import reports_folder
    from drillkit.journal.runs import find_run, is_running, open_runs
    from drillkit.model.errors import UsageError

    if run is None:
        alive = [r for r in open_runs() if is_running(r.folder)]
        if len(alive) != 1:
            names = ", ".join(r.id for r in alive)
            raise UsageError(
                f"expected one running drill, found {len(alive)}"
                + (f": {names}; name one" if alive else "")
            )
        folder = alive[0].folder
    else:
        folder = find_run(run, reports_folder(out))
        if not is_running(folder):
            from drillkit.clients.kube.lease import LOCK
            from drillkit.clients.kube.ownership import STOP

            raise UsageError(
                f"run {folder.name} does not run on this machine: where its runner is, stop it "
                "there (SIGTERM, or `kubectl delete job`), or on its target's cluster: "
                f"`kubectl -n NAMESPACE annotate lease {LOCK} {STOP}=WHY`. When it is "
                "gone, to clean up after it: "
                f"drillkit recover {folder.name}"
            )
    return folder
