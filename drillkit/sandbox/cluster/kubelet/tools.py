"""Programs that small images have and this machine may not."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from drillkit.sandbox.cluster.processes import BOOT

TOOLS = ("nc",)
"""Each is the module of that name in `child`."""


def furnish(folder: Path) -> Path:
    """Write them into a folder, to be searched before the machine's own. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        name: [sys.executable, "-S", "-E", str(BOOT), "0", "", f"child.{name}"] for name in TOOLS
    }
    words |= {"python3": [sys.executable], "drillkit": [sys.executable, "-m", "drillkit"]}
    for name, command in words.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
    return folder
