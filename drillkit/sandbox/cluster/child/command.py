"""Become another program; the tie to the parent that `boot.py` made survives the exec."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Replace this process by `arguments`; exit code 127 if there is no such program, 126 if it
    cannot be run.
    """
    try:
        os.execvp(arguments[0], arguments)
    except FileNotFoundError:
        sys.stderr.write(f"exec: {arguments[0]}: not found on this machine\n")
        os._exit(127)
    except OSError as error:
        sys.stderr.write(f"exec: {arguments[0]}: {error.strerror}\n")
        os._exit(126)
