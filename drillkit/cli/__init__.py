"""Parses arguments, chooses the exit code, composes the rest; each command imports what
it needs.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from drillkit.environment import leave_no_core

if TYPE_CHECKING:
    from drillkit.prestart import Prestarted

_NO_RUN_YET = frozenset({"--help", "--dry-run", "--scheduled"})


def main() -> NoReturn:
    """The entry point `drillkit`: ends the process."""
    # Imports make many objects and no garbage; to look through them again and again would take
    # longer than some.
    gc.set_threshold(100_000, 20, 20)
    leave_no_core()
    words = sys.argv[1:]
    waiting = _waiting_process(words)
    from drillkit.cli.output import keep_output_going, lost_output
    from drillkit.secrets.streams import guard_terminal

    keep_output_going()
    guard_terminal()
    try:
        code = answer(words, waiting)
    finally:
        if waiting is not None:
            waiting.close()
    # Taking some hundred modules apart takes as long as many a command. What must be ended was
    # ended by then.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    if (lost := lost_output()) and code == 0:
        print(f"drillkit: the output could not be written: {lost}", file=sys.stderr)
        code = 3
    sys.stderr.flush()
    os._exit(code)


def _waiting_process(words: list[str]) -> Prestarted | None:
    """For what is most likely a run at once: its worker's imports take longest, and begin first."""
    # What a closed descriptor's number would be given to is put in order first.
    closed = None in (sys.stdin, sys.stdout, sys.stderr)
    if closed or words[:1] != ["run"] or not _NO_RUN_YET.isdisjoint(words):
        return None
    from drillkit.prestart import prestart

    return prestart()


def answer(words: list[str], waiting: Prestarted | None = None) -> int:
    """Run the command that was typed as these words, and give the exit code. `waiting`: a process
    for it, which stays its caller's.
    """
    import click

    from drillkit.secrets.encoding import encodable

    if garbled := [word for word in words if encodable(word) != word]:
        click.echo(f"drillkit: expected arguments in UTF-8, found {garbled[0]!a}", err=True)
        return 2
    from drillkit.cli.group import cli
    from drillkit.model.errors import DrillError

    try:
        code = cli.main(words, prog_name="drillkit", standalone_mode=False, obj=waiting)
    except click.exceptions.Abort:
        # Whoever changes something at a target takes signals itself, and tells what came of it.
        click.echo("drillkit: interrupted", err=True)
        if _may_have_begun(words):
            click.echo("if a run had begun: drillkit recover", err=True)
        return 3
    except click.ClickException as error:
        error.show()
        return 2
    except DrillError as error:
        click.echo(f"drillkit: {error}", err=True)
        return error.exit_code
    except OSError as error:
        return _system_said(error, words)
    except Exception as bug:
        import traceback

        traceback.print_exc()
        click.echo(
            f"drillkit: a bug of drillkit's own ({type(bug).__name__}); if a run had begun: "
            "drillkit recover",
            err=True,
        )
        return 3
    return code if isinstance(code, int) else 0


def _system_said(error: OSError, words: list[str]) -> int:
    """A file or folder that cannot be had. Before a run has begun that is a wrong place; whoever
    has begun one tells of it there.
    """
    import click

    # One that an argument named may be very long.
    where = f"{str(error.filename)[:200]}: " if error.filename is not None else ""
    click.echo(f"drillkit: {where}{error.strerror or error}", err=True)
    if _may_have_begun(words):
        click.echo("if a run had begun: drillkit recover", err=True)
        return 3
    return 2


def _may_have_begun(words: list[str]) -> bool:
    return bool(
        {"run", "gameday", "watch", "recover", "sweep", "keep", "canary", "fleet"} & set(words[:2])
    )
