"""`serve`: a folder of reports on a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import Out, PlaceType

if TYPE_CHECKING:
    import asyncio

    from drillkit.archive.scan import Archive
    from drillkit.live.bucket_runs import Elsewhere
    from drillkit.live.library import Library


@click.command()
@click.argument("reports", required=False, type=PlaceType())
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
def serve(reports: Out, address: str, cert: Path | None, key: Path | None) -> int:
    """Show what runs and what has run in REPORTS (a folder, or s3://BUCKET/PREFIX) on a page, until
    Ctrl-C. It changes nothing.

    Running drills are shown live, as observers see them; those that have ended with their report.
    Serve a folder as the user who runs drills: others cannot see what runs. A bucket is looked at
    every ten seconds, whichever machines run drills into it.
    """
    import asyncio

    from drillkit.cli.runs import copy_at, reports_folder
    from drillkit.live.launch import servable
    from drillkit.model.errors import UsageError

    place = reports_folder(reports)
    if not place.is_dir():
        raise UsageError(f"{place} is no folder; every run writes one: drillkit run NAME")
    host, port = servable(address, cert, "--cert and --key")
    elsewhere = None
    if (copy := copy_at(place)) is not None:
        from drillkit.live.bucket_runs import Elsewhere

        elsewhere = Elsewhere(copy)
        elsewhere.refresh()
    try:
        asyncio.run(_serve(place, host, port, cert, key, elsewhere))
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or error
        raise UsageError(f"the page cannot be served on {host}:{port}: {why}") from error
    return 0


async def _serve(
    reports: Path,
    host: str,
    port: int,
    cert: Path | None,
    key: Path | None,
    elsewhere: Elsewhere | None,
) -> None:
    import asyncio
    import signal
    import sys

    from drillkit.live.access import Access, host_in_url, new_token
    from drillkit.live.entrance import listening, tls_context
    from drillkit.live.library import Library
    from drillkit.secrets.streams import reveal

    tls = tls_context(cert, key) if cert is not None else None
    token = new_token()
    library = Library(
        lambda found: Access.of({"observer": token}, host, found, tls=tls is not None),
        reports,
        _index,
        elsewhere,
    )
    over = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, over.set)
    async with listening(library.entrance, library.app(), host, port, tls) as found:
        scheme = "https" if tls is not None else "http"
        place = elsewhere.place if elsewhere is not None else reports
        reveal(f"{place}: {scheme}://{host_in_url(host)}:{found}/#{token}", sys.stdout)
        click.echo("Ctrl-C ends it; drills go on", err=True)
        await _until(library, over, elsewhere)


async def _refresh(elsewhere: Elsewhere) -> None:
    """What a bucket does not answer is told, and asked again."""
    import asyncio

    from drillkit.live.bucket_runs import REFRESH_S
    from drillkit.model.errors import CallError

    told = ""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            await asyncio.to_thread(elsewhere.refresh)
            why = ""
        except (CallError, OSError) as error:
            why = f"the page shows the bucket as it was: {error}"
        if why != told:
            told = why
            click.echo(why or "the bucket answers again", err=True)


async def _until(library: Library, over: asyncio.Event, elsewhere: Elsewhere | None) -> None:
    import asyncio

    refreshing = asyncio.create_task(_refresh(elsewhere)) if elsewhere is not None else None
    watching = asyncio.create_task(library.watch())
    ended = asyncio.create_task(over.wait())
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if refreshing is not None:
        refreshing.cancel()
    if watching.done():
        watching.result()  # raises what ended it
    watching.cancel()
    await library.close()


def _index(archive: Archive) -> str:
    from drillkit.cli.history import due_rows
    from drillkit.report.index_page import index

    return index(archive, due_rows(archive.runs, "", ""))
