"""`serve`: a folder of reports on a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import asyncio

    from drillkit.archive.scan import Archive
    from drillkit.live.library import Library


@click.command()
@click.argument("reports", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--address",
    default="127.0.0.1:0",
    metavar="HOST:PORT",
    help="Where. Default: this machine only, any free port.",
)
@click.option(
    "--cert",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificate (PEM); needed where others reach it.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Its private key, where it is not in the same file.",
)
def serve(reports: Path | None, address: str, cert: Path | None, key: Path | None) -> int:
    """Show what runs and what has run in REPORTS on a page, until Ctrl-C. It changes nothing.

    Running drills are shown live, as observers see them; those that have ended with their report.
    Serve it as the user who runs drills: others cannot see what runs.
    """
    import asyncio

    from drillkit.cli.places import reports_folder
    from drillkit.live.launch import servable
    from drillkit.model.errors import UsageError

    place = reports_folder(reports)
    if not place.is_dir():
        raise UsageError(f"{place} is no folder; every run writes one: drillkit run NAME")
    host, port = servable(address, cert, "--cert and --key")
    try:
        asyncio.run(_serve(place, host, port, cert, key))
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or error
        raise UsageError(f"the page cannot be served on {host}:{port}: {why}") from error
    return 0


async def _serve(reports: Path, host: str, port: int, cert: Path | None, key: Path | None) -> None:
    import asyncio
    import signal

    from drillkit.live.access import Access, host_in_url, new_token
    from drillkit.live.entrance import listening, tls_context
    from drillkit.live.library import Library

    tls = tls_context(cert, key) if cert is not None else None
    token = new_token()
    library = Library(
        lambda found: Access.of({"observer": token}, host, found, tls=tls is not None),
        reports,
        _index,
    )
    over = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, over.set)
    async with listening(library.entrance, library.app(), host, port, tls) as found:
        scheme = "https" if tls is not None else "http"
        click.echo(f"{reports}: {scheme}://{host_in_url(host)}:{found}/#{token}")
        click.echo("Ctrl-C ends it; drills go on", err=True)
        await _until(library, over)


async def _until(library: Library, over: asyncio.Event) -> None:
    import asyncio

    watching = asyncio.create_task(library.watch())
    ended = asyncio.create_task(over.wait())
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if watching.done():
        watching.result()  # raises what ended it
    watching.cancel()
    await library.close()


def _index(archive: Archive) -> str:
    from drillkit.cli.history import due_rows
    from drillkit.report.index_page import index

    return index(archive, due_rows(archive.runs, "", ""))
