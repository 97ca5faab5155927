"""A page as PDF, printed by the Chromium of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from drillkit.environment import plain_environment
from drillkit.journal.files import write_file
from drillkit.model.errors import DrillError, UsageError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LIMIT_S = 90.0


class NotPrinted(DrillError):
    """The browser made no PDF."""

    exit_code = 3


def write_pdf(page: str, to: Path) -> None:
    """Print a page (HTML) to a file: A4, with page numbers.

    Raises UsageError where there is no Chromium, NotPrinted, OSError.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise UsageError(
            f"a PDF is printed by Chromium, and none is found here (looked for "
            f"{', '.join(PROGRAMS)} in PATH): install one, or open report.html in any browser and "
            "print it"
        )
    with tempfile.TemporaryDirectory(prefix="drillkit-pdf-") as place:
        source, made = Path(place) / "report.html", Path(place) / "report.pdf"
        source.write_text(page, encoding="utf-8", errors="backslashreplace")
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--no-pdf-header-footer",
            f"--user-data-dir={place}/profile",
            f"--print-to-pdf={made}",
            # Root may not have Chromium's own sandbox; the page is ours and runs no script.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            source.as_uri(),
        ]
        said = _run(command, program)
        if not made.is_file():
            raise NotPrinted(f"{program} made no PDF: {said[-500:] or 'it did not say why'}")
        write_file(to, made.read_bytes())


def _run(command: list[str], program: str) -> str:
    try:
        ended = subprocess.run(
            command,
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotPrinted(f"{program} made no PDF in {LIMIT_S:g} s") from error
    return ended.stderr.decode(errors="replace").strip()
