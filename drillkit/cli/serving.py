"""`--serve`: a page that shows a run, for as long as the command lasts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.live.launch import PageProcess
    from drillkit.runner.request import Finished

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a page is wanted."""

    address: str | None
    cert: Path | None
    key: Path | None


def with_serve(command: F) -> F:
    """The options of a page; the command gets `serve`, `serve_cert` and `serve_key`."""
    options = (
        click.option(
            "--serve",
            is_flag=False,
            flag_value="127.0.0.1:0",
            metavar="[ADDRESS]",
            help="Show the run on a page, on this machine unless it is --serve=HOST:PORT.",
        ),
        click.option(
            "--serve-cert",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Certificate of the page (PEM); needed where others reach it.",
        ),
        click.option(
            "--serve-key",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Its private key, where it is not in the same file.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@contextlib.contextmanager
def served(serving: Serving) -> Iterator[PageProcess | None]:
    """A page for as long as this lasts, with its links told; None where none is wanted.

    Raises UsageError when it cannot be served.
    """
    if serving.address is None:
        yield None
        return
    from drillkit.live.launch import PageProcess
    from drillkit.secrets.streams import reveal

    page = PageProcess(serving.address, serving.cert, serving.key)
    try:
        reveal(f"page for the facilitator: {page.link('facilitator')}", sys.stderr)
        reveal(f"page for observers:       {page.link('observer')}", sys.stderr)
        yield page
    finally:
        page.close()


def entering(page: PageProcess | None, enter: Callable[[Path], None]) -> Callable[[Path], None]:
    """`enter`, and the page shows that run."""
    if page is None:
        return enter

    def both(folder: Path) -> None:
        page.follow(folder)
        enter(folder)

    return both


def told(page: PageProcess | None, finished: Finished) -> None:
    """The page shows what came of it."""
    if page is not None:
        page.say(outcome=finished.verdict.headline)
