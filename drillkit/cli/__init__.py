"""Parses arguments, chooses the exit code, composes the rest; each command imports what it needs."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point `drillkit`."""
    import click

    from drillkit.cli.group import cli
    from drillkit.model.errors import DrillError

    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("drillkit: interrupted; nothing was touched", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except DrillError as error:
        click.echo(f"drillkit: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `drillkit list | head`
        sys.stderr.close()
        sys.exit(0)
    except Exception as bug:
        import traceback

        traceback.print_exc()
        click.echo(
            f"drillkit: a bug of drillkit's own ({type(bug).__name__}); if a run had begun: drillkit recover", err=True
        )
        sys.exit(3)
    sys.exit(code if isinstance(code, int) else 0)
